/** Trouble with a provider says what it is, wherever one looks, and costs the other providers nothing. */
import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { startParley, type TestServer } from "../kit/parley.ts";
import { gate } from "../kit/provider/provider.ts";

type Handler = (request: Request) => Response | Promise<Response>;

/** Parley with a provider at that address, or one that answers so, and the demo model. */
async function startTroubled(base: string | Handler, clock?: FakeClock) {
  const provider = typeof base === "string" ? undefined : Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    base,
  );
  const url = provider
    ? `http://127.0.0.1:${(provider.addr as Deno.NetAddr).port}/v1`
    : String(base);
  const server = await startParley({
    ...(clock && { clock }),
    env: {
      PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
      PARLEY_AI_PROVIDER_0_NAME: "broken",
      PARLEY_AI_PROVIDER_0_BASE_URL: url,
      PARLEY_AI_PROVIDER_0_API_KEY: "sk-secret-of-broken",
      PARLEY_AI_PROVIDER_1_TYPE: "demo",
      PARLEY_LIMIT_RETRIES: "0",
    },
  });
  return {
    server,
    url,
    list: async () => await (await server.ask("GET", "/api/v2/deployment/llms")).json(),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await provider?.shutdown();
    },
  };
}

async function sendTo(server: TestServer, model: string): Promise<[number, string]> {
  const chat = await server.newChat({ body: { title: "A chat" } });
  const response = await server.send(chat, "Hello", { model });
  return [response.status, await response.text()];
}

const page = (status: number, body: string) => () => new Response(body, { status });

const TROUBLES: [name: string, base: string | Handler, kind: string, words: RegExp][] = [
  ["no such host", "http://nowhere.invalid/v1", "unreachable", /DNS/],
  ["nobody listens", "http://127.0.0.1:9/v1", "unreachable", /unreachable/],
  ["a key that is refused", page(401, "no"), "key_refused", /refused the key \(401\)/],
  ["a failure", page(503, "x".repeat(1_000)), "list_failed", /answered 503/],
  ["a page", page(200, "<html>"), "list_failed", /no list of models/],
  ["another form", page(200, '{"data":{}}'), "list_failed", /no list of models/],
  ["a deep list", page(200, `{"data":${"[".repeat(9_000)}`), "list_failed", /nested deeper/],
  ["a wide list", page(200, `{"data":[${"[],".repeat(200_001)}`), "list_failed", /more values/],
  [
    "a redirect",
    () => new Response(null, { status: 302, headers: { location: "http://169.254.169.254/" } }),
    "list_failed",
    /redirects to http:\/\/169\.254\.169\.254/,
  ],
];

for (const [name, base, kind, words] of TROUBLES) {
  Deno.test(`${name} is told beside the models, when ready, in the log and at a send`, async () => {
    await using troubled = await startTroubled(base);
    const { server } = troubled;
    const { models, problems } = await troubled.list();
    assertEquals(models.map(({ id }: { id: string }) => id), ["demo"]);
    assertEquals(problems.map((problem: { kind: string }) => problem.kind), [kind]);
    assertEquals(problems[0].provider, "broken");
    assertMatch(problems[0].message, words);
    assertEquals((await sendTo(server, "demo"))[0], 200);
    const [status, body] = await sendTo(server, "gpt-of-broken");
    assertEquals(status, 502);
    assertMatch(body, words);
    const ready = await server.ask("GET", "/readyz?verbose", { token: null });
    assertEquals(ready.status, 200);
    assertMatch(await ready.text(), words);
    const logged = server.logged.filter((line) => line.includes("cannot list"));
    assertEquals(logged.length, 1);
    assertMatch(logged[0]!, words);
    assert(!server.logged.join().includes("sk-secret"));
  });
}

Deno.test("a model is not found only if every provider said what it has", async () => {
  await using troubled = await startTroubled(page(200, '{"data":[{"id":"one"},{"id":7},null]}'));
  const { models, problems } = await troubled.list();
  assertEquals(models.map(({ id }: { id: string }) => id), ["one", "demo"]);
  assertEquals(problems, []);
  const [status, body] = await sendTo(troubled.server, "two");
  assertEquals([status, JSON.parse(body).message], [400, "Model not found"]);
});

Deno.test("a list that was good is kept while its provider is silent, and nobody waits for it", async () => {
  const clock = new FakeClock();
  const silent = gate();
  const asked = gate();
  let lists = 0;
  await using troubled = await startTroubled(async () => {
    if (++lists > 1) {
      asked.open();
      await silent.opened;
    }
    return Response.json({ data: [{ id: `list-${lists}` }] });
  }, clock);
  assertEquals((await troubled.list()).models[0].id, "list-1");
  clock.advance(11 * 60_000);
  assertEquals((await troubled.list()).models[0].id, "list-1");
  await asked.opened;
  assertEquals((await troubled.list()).models[0].id, "list-1");
  assertEquals(lists, 2);
  silent.open();
  while ((await troubled.list()).models[0].id !== "list-2");
});

Deno.test("a provider that failed is asked again soon, and its trouble is over", async () => {
  const clock = new FakeClock();
  let lists = 0;
  await using troubled = await startTroubled(
    () =>
      ++lists === 1 ? new Response("no", { status: 500 }) : Response.json({ data: [{ id: "up" }] }),
    clock,
  );
  assertEquals((await troubled.list()).problems.length, 1);
  clock.advance(10_000);
  while ((await troubled.list()).problems.length > 0);
  assertEquals((await troubled.list()).models[0].id, "up");
  assert(troubled.server.logged.some((line) => line.includes("lists its models again")));
});

Deno.test("trouble with answers is told beside the models, until one comes", async () => {
  let isUp = false;
  await using troubled = await startTroubled((request) => {
    if (request.url.endsWith("/models")) return Response.json({ data: [{ id: "one" }] });
    return isUp
      ? new Response('data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')
      : new Response('{"error":{"message":"bad key"}}', { status: 401 });
  });
  const [, body] = await sendTo(troubled.server, "one");
  assertStringIncludes(body, "refused the key (401)");
  const { problems: [problem] } = await troubled.list();
  assertEquals([problem.provider, problem.kind], ["broken", "key_refused"]);
  isUp = true;
  await sendTo(troubled.server, "one");
  assertEquals((await troubled.list()).problems, []);
});

Deno.test("a provider that is silent from the start delays no other's models", async () => {
  const silent = gate();
  await using troubled = await startTroubled(async () => {
    await silent.opened;
    return Response.json({ data: [{ id: "one" }] });
  });
  const begun = performance.now();
  assertEquals((await sendTo(troubled.server, "demo"))[0], 200);
  assertLessOrEqual(performance.now() - begun, 2_000);
  // It may have this one: that is waited for.
  const asked = sendTo(troubled.server, "one");
  silent.open();
  assertMatch((await asked)[1], /"models?"|3:/);
});
