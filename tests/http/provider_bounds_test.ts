/** What a provider may not do to an answer, a chat, the ledger or its key; by dialect. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { type Dialect, DIALECTS, evilEnv } from "../kit/dialects.ts";
import { startParley, type TestOptions } from "../kit/parley.ts";

/** Only a process can have the address of the Responses API: `tests/hostile` tries that. */
const { responses: _, ...HERE } = DIALECTS;

type Reply = (dialect: Dialect, request: Request) => Response | Promise<Response>;

/** Parley with providers that reply as a test says, or with nothing but "a" to titles. */
async function startEvil(reply: Reply, options: TestOptions = {}) {
  const seen: Request[] = [];
  const provider = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    seen.push(request);
    const { pathname } = new URL(request.url);
    const dialect = pathname.includes("gemini")
      ? DIALECTS.google
      : pathname.endsWith("messages")
      ? DIALECTS.anthropic
      : DIALECTS.compatible;
    return reply(dialect!, request);
  });
  const url = `http://127.0.0.1:${(provider.addr as Deno.NetAddr).port}`;
  const server = await startParley({
    ...options,
    env: { ...evilEnv(url), PARLEY_LIMIT_RETRIES: "0", ...options.env },
  });
  const chat = await server.newChat({ body: { title: "A chat" } });
  const history = async () =>
    await (await server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=ui`)).json();
  return {
    server,
    url,
    seen,
    chat,
    history,
    send: async ({ model }: Dialect) => await (await server.send(chat, "Go", { model })).text(),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await provider.shutdown();
    },
  };
}

const events = (...pieces: string[]) =>
  new Response(pieces.join(""), { headers: { "content-type": "text/event-stream" } });

for (const [name, dialect] of Object.entries(HERE)) {
  Deno.test(`${name}: counts of tokens that are none are estimated, and the report is whole`, async () => {
    const counts = ["9007199254740993", "1e300", "-7", "1.5"];
    await using evil = await startEvil((dialect) =>
      events(dialect.begin, dialect.delta('"hello"'), dialect.end(counts[evil.seen.length - 1]!))
    );
    for (const _ of counts) await evil.send(dialect);
    const response = await evil.server.ask("GET", "/api/v2/usage");
    const { usage: [row] } = await response.json();
    assertEquals([response.status, row.requests], [200, 4]);
    for (const tokens of [row.input_tokens, row.output_tokens]) {
      assert(Number.isInteger(tokens) && tokens >= 0 && tokens < 100, JSON.stringify(row));
    }
  });

  Deno.test(`${name}: deep arguments end the call or the answer, and the chat goes on`, async () => {
    const deep = '{"a":'.repeat(5_000) + "1" + "}".repeat(5_000);
    await using evil = await startEvil((dialect) =>
      evil.seen.length === 1
        ? events(dialect.begin, dialect.call(deep), dialect.end("1"))
        : events(dialect.begin, dialect.delta('"fine"'), dialect.end("1"))
    );
    assertStringIncludes(await evil.send(dialect), "nested deeper than");
    assertStringIncludes(await evil.send(dialect), "fine");
    const messages = await evil.history();
    assertEquals(messages.at(-1).parts.at(-1).text, "fine");
  });

  Deno.test(`${name}: what came before a bound is kept, and the reason is told`, async () => {
    await using evil = await startEvil(({ begin, delta }) =>
      events(begin, delta('"kept"').repeat(50), `data: ${"[".repeat(100)}`)
    );
    assertStringIncludes(await evil.send(dialect), "nested deeper than 96");
    assertEquals((await evil.history()).at(-1).parts.at(-1).text, "kept".repeat(50));
  });

  Deno.test(`${name}: keys named like prototypes change nothing`, async () => {
    await using evil = await startEvil((dialect) =>
      events(
        dialect.begin,
        dialect.delta('"one "').replace("{", '{"constructor":{"prototype":1},"__proto__":{"a":1},'),
        dialect.delta('"two","constructor":"x","__proto__":[]'),
        dialect.end("1"),
      )
    );
    await evil.send(dialect);
    const text = (await evil.history()).at(-1).parts.at(-1).text;
    assertEquals(text, "one two");
  });

  Deno.test(`${name}: a redirect within the origin is followed with its body, elsewhere it ends`, async () => {
    await using other = await startEvil(() => events("data: stolen\n\n"));
    await using evil = await startEvil(async (dialect, request) => {
      if (evil.seen.length === 1) {
        const { pathname } = new URL(request.url);
        return new Response(null, { status: 307, headers: { location: `${pathname}?again` } });
      }
      if (evil.seen.length === 2) {
        assertStringIncludes(await request.text(), "Go");
        return events(dialect.begin, dialect.delta('"there"'), dialect.end("1"));
      }
      const location = evil.seen.length === 3 ? `${other.url}/v1` : "http://169.254.169.254/latest";
      return new Response(null, { status: 308, headers: { location } });
    });
    assertStringIncludes(await evil.send(dialect), "there");
    assertEquals(evil.seen.length, 2);
    assertStringIncludes(await evil.send(dialect), `redirects to ${other.url}`);
    assertStringIncludes(await evil.send(dialect), "redirects to http://169.254.169.254");
    assertEquals([evil.seen.length, other.seen.length], [4, 0]);
  });
}

Deno.test("an answer has no more parts than a client may send back", async () => {
  const source =
    '"annotations":[{"type":"url_citation","url_citation":{"url":"https://a.example"}}]';
  const call = (n: number) =>
    `data: {"choices":[{"delta":{"tool_calls":[{"index":${n},"id":"c${n}","function":{"name":"look","arguments":"{}"}}],${source}}}]}\n\n`;
  await using evil = await startEvil(({ begin, end }) =>
    events(begin, ...Array.from({ length: 1_200 }, (_, n) => call(n)), end("1"))
  );
  assertStringIncludes(await evil.send(DIALECTS.compatible!), "more than 1000 parts");
  assertEquals((await evil.history()).at(-1).parts.length, 1_000);
});

Deno.test("a mute provider is given up on time though the clock is set back", async () => {
  const clock = new FakeClock();
  const mute = Promise.withResolvers<Response>();
  await using evil = await startEvil(() => mute.promise, { clock });
  const response = await evil.server.send(evil.chat, "Go", { model: "evil-chat" });
  await clock.sleeping(120_000);
  clock.set(-3_600_000);
  clock.advance(120_000);
  const answer = await response.text();
  mute.resolve(events());
  assertStringIncludes(answer, "sent nothing for 120 s");
});
