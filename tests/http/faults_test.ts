/** P12: whatever a provider does, a run has a typed end, and what it said is kept. */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import type { Script } from "../kit/provider/provider.ts";
import { MODELS, startScripted } from "../kit/scripted.ts";

interface Fault {
  name: string;
  script: Script;
  /** What the `3:` part must say. */
  says: RegExp;
  failure: string;
  /** The text that must be in the stream and in the history. */
  text: string;
}

const begun = [{ text: "one " }, { text: "two " }, { text: "three" }];
const said = "one two three";

const FAULTS: Fault[] = [
  {
    name: "refuses the connection",
    script: { refuse: true },
    says: /is unreachable|broke off/,
    failure: "provider_unavailable",
    text: "",
  },
  {
    name: "401",
    script: { status: 401, message: "Incorrect API key provided: sk-provider-secret" },
    says: /refused the key \(401\)/,
    failure: "provider_auth",
    text: "",
  },
  {
    name: "400",
    script: { status: 400, message: "context too long for sk-provider-secret" },
    says: /refused the request \(400\): context too long/,
    failure: "provider_refused",
    text: "",
  },
  {
    name: "429",
    script: { status: 429, headers: { "retry-after": "7" } },
    says: /rate-limiting requests \(429\)/,
    failure: "provider_rate_limited",
    text: "",
  },
  {
    name: "500",
    script: { status: 500 },
    says: /failed \(500\)/,
    failure: "provider_unavailable",
    text: "",
  },
  {
    name: "a proxy's page",
    script: { status: 502, body: "<html>Bad gateway</html>" },
    says: /failed \(502\)/,
    failure: "provider_unavailable",
    text: "",
  },
  {
    name: "an error at once",
    script: { steps: [{ error: { message: "overloaded", status: 503 } }] },
    says: /failed/,
    failure: "provider_unavailable",
    text: "",
  },
  {
    name: "an error in the middle",
    script: { steps: [...begun, { error: { message: "overloaded", status: 503 } }] },
    says: /failed: overloaded/,
    failure: "provider_unavailable",
    text: said,
  },
  {
    name: "cuts the socket",
    script: { steps: [...begun, { cut: true }] },
    says: /broke off/,
    failure: "provider_cut",
    text: said,
  },
  {
    name: "ends without an end",
    script: { steps: [...begun, { end: true }] },
    says: /ended the answer in the middle|broke off/,
    failure: "provider_cut",
    text: said,
  },
  {
    name: "sends nonsense",
    script: { steps: [...begun, { raw: "data: {nonsense}\n\n" }] },
    says: /sent an invalid response/,
    failure: "provider_malformed",
    text: said,
  },
];

for (const [dialect, model] of Object.entries(MODELS)) {
  Deno.test(`faults of a provider that speaks ${dialect}`, async (t) => {
    await using scripted = await startScripted({ env: { PARLEY_LIMIT_RETRIES: "0" } });
    const { provider, server } = scripted;
    // Servers of this dialect send events without meaning, which end no answer.
    const skipped = dialect === "compatible" ? "sends nonsense" : undefined;
    for (const fault of FAULTS.filter(({ name }) => name !== skipped)) {
      await t.step(fault.name, async () => {
        provider.script(fault.script);
        const chat = await scripted.chat();
        const response = await scripted.send(chat, "Hello", { model });
        assertEquals(response.status, 200);
        const parts = partsOf(await response.text());
        const error = parts.find(({ code }) => code === "3");
        assert(error, JSON.stringify(parts));
        assertMatch(error.value, fault.says);
        assertNotMatch(error.value, /sk-provider-secret|127\.0\.0\.1/);
        assertEquals(parts.at(-1)?.value.finishReason, "error");
        assertEquals(textOf(parts), fault.text);
        const history = await scripted.history(chat);
        assertEquals(history[0]?.content, "Hello");
        assertEquals(
          history.slice(1).map(({ content }) => content),
          fault.text ? [fault.text] : [],
        );
        const logged = server.logged.map((line) => JSON.parse(line));
        const run = logged.findLast(({ message }) => message === "run");
        assertEquals(run.failure, fault.failure);
      });
    }
    await t.step("the provider's key is nowhere", async () => {
      assertNotMatch(server.logged.join("\n"), /sk-provider-secret/);
      for (const file of ["parley.db", "parley.db-wal"]) {
        const bytes = await Deno.readFile(`${server.dataDir}/${file}`);
        assertNotMatch(new TextDecoder("latin1").decode(bytes), /sk-provider-secret/);
      }
    });
    await t.step("the chat goes on after a failure", async () => {
      provider.script([{ status: 500 }, { steps: [{ text: "fine" }] }]);
      const chat = await scripted.chat();
      await (await scripted.send(chat, "one", { model })).text();
      const parts = partsOf(await (await scripted.send(chat, "two", { model })).text());
      assertEquals(textOf(parts), "fine");
      assertEquals((await scripted.history(chat)).map(({ content }) => content), [
        "one",
        "two",
        "fine",
      ]);
    });
  });
}

Deno.test("a provider that stalls", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: [...begun, { stall: true }] },
    env: { PARLEY_LIMIT_STALL_SECONDS: "77" },
  });
  const chat = await scripted.chat();
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await reader.until("three");
  clock.advance(77_000);
  await reader.until('3:"The provider \\"openai-compatible\\" sent nothing for 77 s."');
  await reader.rest();
  await scripted.provider.requests[0]!.closed;
  assertEquals((await scripted.history(chat))[1]?.content, said);
});

Deno.test("a run that takes too long", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: [...begun, { stall: true }] },
    env: { PARLEY_LIMIT_RUN_SECONDS: "33" },
  });
  const chat = await scripted.chat();
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await reader.until("three");
  clock.advance(33_000);
  await reader.until("longer than the 33 s");
  await scripted.provider.requests[0]!.closed;
});

Deno.test("a model that cannot reason just answers", async () => {
  await using scripted = await startScripted({
    script: (request) =>
      "reasoning_effort" in (request.body as Record<string, unknown>)
        ? { status: 400, message: "reasoning_effort is not supported" }
        : { steps: [{ text: "fine" }] },
  });
  const chat = await scripted.chat();
  const parts = partsOf(await (await scripted.send(chat, "Hello", { thinking: true })).text());
  assertEquals(textOf(parts), "fine");
  assertEquals(parts.some(({ code }) => code === "3"), false);
  assertEquals(scripted.provider.requests.length, 2);
});
