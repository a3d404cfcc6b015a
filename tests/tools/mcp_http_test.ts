/** Servers by HTTP that misbehave: each harms its own calls alone, and is told in words. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { McpServer } from "../../src/tools/mcp/mcp_server.ts";
import { FakeClock } from "../kit/clock.ts";
import { type Answer, type BadHttp, badHttp, endless, events } from "../kit/mcp/bad_http.ts";
import { call, type Choices, until, withServer } from "../kit/mcp/server.ts";
import { heldBytes } from "../kit/memory.ts";

async function withBad(
  replaced: Record<string, Answer>,
  test: (server: McpServer, http: BadHttp) => Promise<void>,
  { headers = {}, ...choices }: Choices & { headers?: Record<string, string> } = {},
): Promise<void> {
  await using http = badHttp(replaced);
  await withServer(
    { url: http.url, type: "http", headers },
    (server) => test(server, http),
    choices,
  );
}

async function errorOf(server: McpServer, signal?: AbortSignal): Promise<string> {
  const result = await call(server, "echo", {}, signal);
  assert("errorText" in result, JSON.stringify(result).slice(0, 200));
  return result.errorText;
}

const namesOf = async (server: McpServer) => (await server.tools()).map(({ name }) => name);

Deno.test("a server gets its headers with each request, and the end of its session", async () => {
  await withBad({}, async (server, http) => {
    assertEquals(await namesOf(server), ["echo"]);
    assertEquals(await call(server, "echo", { text: "hi" }), { output: "hi" });
    await server.close();
    const seen = http.seen.filter((method) => method !== "GET");
    assertEquals(seen, [
      "server/discover",
      "initialize",
      "notifications/initialized",
      "tools/list",
      "tools/call",
      "DELETE",
    ]);
    for (const { headers } of http.requests) {
      assertEquals(headers.get("authorization"), "Bearer s3cret-token");
    }
  }, { headers: { Authorization: "Bearer s3cret-token" } });
});

Deno.test("a server that cannot be used is told", async (t) => {
  const status = (status: number, text = "", headers = {}): Answer => () =>
    new Response(text, { status, headers });
  const elsewhere = { location: "http://localhost:1/mcp" };
  const all = (answer: Answer) =>
    Object.fromEntries(["server/discover", "initialize", "GET"].map((name) => [name, answer]));
  const cases: [string, Record<string, Answer>, RegExp][] = [
    [
      "OAuth",
      all(status(401, "", { "www-authenticate": "Bearer" })),
      /\(401\): it may use OAuth.*`headers`/,
    ],
    ["OAuth later", { initialize: status(401) }, /\(401\): it may use OAuth/],
    ["no access", all(status(403)), /refuses access \(403\)/],
    [
      "a broken server",
      all(status(500, "s3cret-token\nis wrong")),
      /status 500: \[secret\] is wrong\.$/,
    ],
    ["no MCP server", all(status(404, "Nothing here")), /status 404: Nothing here\.$/],
    [
      "a page",
      all(() => new Response("<html>", { headers: { "content-type": "text/html" } })),
      /does not answer as MCP servers do: .*text\/html/,
    ],
    ["no JSON", {
      initialize: () => new Response("{", { headers: { "content-type": "application/json" } }),
    }, /sent what is not JSON/],
    ["a redirect", all(status(307, "", elsewhere)), /redirects to another address \(307\)/],
    [
      "no tools",
      { "tools/list": () => ({}) },
      /does not say which tools it has: it sent an answer that is not valid/,
    ],
    [
      "an endless answer",
      all(() => endless("[1],".repeat(1000), "application/json")),
      /of more than 100000 values/,
    ],
    ["an endless page", all(() => endless("x".repeat(65_536), "text/html")), /of more than 24 MiB/],
  ];
  for (const [name, replaced, expected] of cases) {
    await t.step(name, () =>
      withBad(replaced, async (server) => {
        assertEquals(await server.tools(), []);
        assertEquals(server.status.status, "failed");
        assertMatch(server.status.error!, /^The tool server "the server" /);
        assertMatch(server.status.error!, expected);
      }, { secrets: ["s3cret-token"] }));
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${listener.addr.port}/mcp`;
  listener.close();
  await t.step("nobody", () =>
    withServer({ url, type: "http", headers: {} }, async (server) => {
      assertEquals(await server.tools(), []);
      assertMatch(server.status.error!, /is unreachable: the connection was refused\.$/);
    }));
});

Deno.test("a server of the transport of 2024 that cannot be used is told", async () => {
  const answers = { GET: () => new Response("", { status: 401 }) };
  await using http = badHttp(answers);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nowhere = `http://127.0.0.1:${listener.addr.port}/mcp`;
  listener.close();
  for (
    const [url, expected] of [[http.url, /\(401\)/], [nowhere, /connection was refused/]] as const
  ) {
    await withServer({ url, type: "sse", headers: {} }, async (server) => {
      assertEquals(await server.tools(), []);
      assertMatch(server.status.error!, expected);
    });
  }
});

Deno.test("a server that does not answer is given up", async () => {
  const clock = new FakeClock();
  const never = Promise.withResolvers<Response>();
  await withBad({ initialize: () => never.promise }, async (server) => {
    const tools = server.tools();
    await clock.sleeping(60_000);
    clock.advance(60_000);
    await tools;
    await until(() => server.status.status === "failed");
    assertMatch(server.status.error!, /was not ready within 60 s/);
    never.resolve(new Response());
  }, { clock });
});

Deno.test("a server that is closed while it is connected is closed at once", async () => {
  for (const method of ["server/discover", "initialize", "tools/list", "GET"]) {
    const never = Promise.withResolvers<Response>();
    const asked = Promise.withResolvers<void>();
    const answer: Answer = () => (asked.resolve(), never.promise);
    await withBad({ [method]: answer }, async (server) => {
      const tools = server.tools();
      await asked.promise;
      await server.close();
      assertEquals(await tools, []);
      never.resolve(new Response());
    });
  }
});

Deno.test("an answer without end is left once its call is, and the server is told", async () => {
  const left = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const answer: Answer = () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode(": hello\n\n"));
        begun.resolve();
      },
      cancel: () => left.resolve(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  await withBad({ "tools/call": answer }, async (server, http) => {
    const stop = new AbortController();
    const error = errorOf(server, stop.signal);
    await begun.promise;
    stop.abort("test");
    assertMatch(await error, /cancelled/);
    await left.promise;
    await until(() => http.seen.includes("notifications/cancelled"));
    assertEquals(server.status, { status: "ready" });
  });
});

Deno.test("an answer that is cut is told at once", async () => {
  await withBad({
    "tools/call": () => events((_, end) => end()),
  }, async (server) => {
    assertMatch(await errorOf(server), /it ended its answer before the result/);
    assertEquals(server.status, { status: "ready" });
  });
});

Deno.test("too much ends the connection, in words", async (t) => {
  const cases: [string, Answer, RegExp][] = [
    ["a body", () => endless("x".repeat(65_536), "application/json"), /more than 24 MiB/],
    ["an event", () => endless("data: x\n".repeat(100), "text/event-stream"), /than 10000 lines/],
    [
      "events",
      () => endless('data: {"jsonrpc":"2.0","method":"x"}\n\n'.repeat(100), "text/event-stream"),
      /more than 20000 messages within 10 s/,
    ],
    ["comments", () => endless(": \n\n".repeat(1000), "text/event-stream"), /within 10 s/],
    [
      "an error",
      () => new Response(endless("x".repeat(65_536), "x/y").body, { status: 500 }),
      /24 MiB/,
    ],
  ];
  for (const [name, answer, expected] of cases) {
    await t.step(name, () =>
      withBad({ "tools/call": answer }, async (server) => {
        await server.tools();
        const before = heldBytes();
        assertMatch(await errorOf(server), expected);
        const more = Math.round((heldBytes() - before) / 1024 / 1024);
        // Both sides are in this process.
        assert(more < 500, `${more} MiB`);
      }));
  }
});

Deno.test("a change of the list is followed", async () => {
  await withBad({}, async (server, http) => {
    assertEquals(await namesOf(server), ["echo"]);
    await until(() => http.seen.includes("GET"));
    const tools = ["b", "a"].map((name) => ({ name, inputSchema: { type: "object" } }));
    http.answers["tools/list"] = () => ({ tools });
    http.say({ method: "notifications/tools/list_changed" });
    await until(async () => (await namesOf(server)).join() === "a,b");
  });
});

Deno.test("a server that forgot the session is met again at once, with its new list", async () => {
  const clock = new FakeClock();
  const tools = [{ name: "new", inputSchema: { type: "object" } }];
  await withBad({}, async (server, http) => {
    assertEquals(await namesOf(server), ["echo"]);
    clock.advance(60_000);
    http.forget();
    http.answers["tools/list"] = () => ({ tools });
    assertEquals(await call(server, "echo", { text: "again" }), { output: "again" });
    assertEquals(await namesOf(server), ["new"]);
    // Not so if it does that all the time.
    http.forget();
    assertMatch(
      await errorOf(server),
      /does not know the session any more\. It is started again soon/,
    );
    await until(() => server.status.status === "failed");
    await clock.sleeping(1_000);
    clock.advance(1_000);
    await until(() => server.status.status === "ready");
  }, { clock });
});

Deno.test("a list that nobody says the changes of is asked for each time", async () => {
  let lists = 0;
  const answers = {
    "tools/list": () => ({ tools: [{ name: `t${++lists}`, inputSchema: { type: "object" } }] }),
  };
  const noStream = () => new Response(null, { status: 405 });
  await withBad({ ...answers, GET: noStream }, async (server, http) => {
    await until(async () => (await namesOf(server)).join() === "t2");
    assertEquals(await namesOf(server), ["t3"]);
    assert(http.seen.includes("GET"));
  });
  // Unless it says that there are none.
  lists = 0;
  const fixed: Answer = ({ params: { protocolVersion } }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: "fixed", version: "1" },
  });
  await withBad({ ...answers, initialize: fixed, GET: noStream }, async (server, http) => {
    assertEquals(await namesOf(server), ["t1"]);
    await until(() => http.seen.includes("GET"));
    assertEquals(await namesOf(server), ["t1"]);
  });
});

Deno.test("a server that never answers what needs no answer does not hold up its calls", async () => {
  const never = Promise.withResolvers<Response>();
  await withBad({ "notifications/cancelled": () => never.promise }, async (server, http) => {
    await server.tools();
    const left = Promise.withResolvers<void>();
    http.answers["tools/call"] = (_, { signal }) => {
      signal.addEventListener("abort", () => left.resolve());
      return never.promise;
    };
    const stop = new AbortController();
    const error = errorOf(server, stop.signal);
    await until(() => http.seen.includes("tools/call"));
    stop.abort("test");
    assertMatch(await error, /cancelled/);
    await left.promise;
    await server.close();
    never.resolve(new Response());
  });
});
