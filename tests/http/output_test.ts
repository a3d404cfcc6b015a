/** Answers that have to be JSON: schemas that cannot be used, and answers that do not match. */
import { assertEquals, assertMatch } from "@std/assert";
import { partsOf, textOf } from "../kit/data_stream.ts";
import type { Script } from "../kit/provider/provider.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import { rowsOf } from "../runs/many_kit.ts";

const AGE = { type: "object", properties: { age: { type: "number" } }, required: ["age"] };
const TOOLS = [{ name: "where", parameters: { type: "object", properties: {} } }];
const CALL = { toolCall: { id: "call_1", name: "where", args: {} } };

function format(schema: unknown) {
  return { response_format: { type: "json_schema", json_schema: { schema } } };
}

/** How a stream of the data protocol ended: its text, its error and its finish reason. */
function endOf(stream: string) {
  const parts = partsOf(stream);
  return {
    text: textOf(parts),
    error: parts.find(({ code }) => code === "3")?.value as string | undefined,
    reason: parts.at(-1)?.value.finishReason,
  };
}

/** The message that gives the answer of the call back. */
async function resultFor(scripted: Scripted, chat: string) {
  const answer = (await scripted.history(chat)).at(-1)!;
  const part = { type: "tool-where", toolCallId: "call_1", state: "output-available", output: 1 };
  return { id: answer.id, role: "assistant", parts: [part] };
}

const BAD: Record<string, { schema: unknown; field: string }> = {
  "a pattern that is none": { schema: { type: "string", pattern: "[" }, field: "pattern" },
  "a pattern deep inside": {
    schema: { properties: { a: { items: { anyOf: [{ pattern: "(" }] } } } },
    field: "properties.a.items.anyOf.0.pattern",
  },
  "a property's name that is no pattern": {
    schema: { patternProperties: { "*": {} } },
    field: "patternProperties.*",
  },
  "a reference to nothing": { schema: { $ref: "#/$defs/none" }, field: "$ref" },
  "a reference to nothing deep inside": {
    schema: { properties: { a: { $ref: "#/$defs/none" } }, $defs: { some: {} } },
    field: "properties.a.$ref",
  },
  "a reference to another document": {
    schema: { allOf: [{ $ref: "https://example.com/schema.json" }] },
    field: "allOf.0.$ref",
  },
};

Deno.test("a schema that answers cannot be checked by is refused, and nothing is stored", async () => {
  await using scripted = await startScripted();
  const { server, provider } = scripted;
  const chat = await scripted.chat();
  for (const [name, { schema, field }] of Object.entries(BAD)) {
    const response = await scripted.send(chat, "Hello", format(schema), { "idempotency-key": "k" });
    const { validations } = await response.json();
    assertEquals(response.status, 400, name);
    assertEquals(validations[0].field, `response_format.json_schema.schema.${field}`, name);
  }
  for (const table of ["messages", "runs", "queue", "attempts", "sends", "events"]) {
    const [row] = await rowsOf(server.dataDir, `SELECT count(*) AS n FROM ${table}`);
    assertEquals(row?.n, 0, table);
  }
  // The key is still free.
  const sent = await scripted.send(chat, "Hello", {}, { "idempotency-key": "k" });
  assertEquals(endOf(await sent.text()).text, "ok");
  assertEquals(provider.requests.length, 1);
});

const WRONG: Record<string, { schema: unknown; answer: string; says: RegExp }> = {
  "another type": { schema: AGE, answer: '{"age":"7"}', says: /\/age/ },
  "no JSON": { schema: AGE, answer: "seven", says: /not JSON/ },
  "nothing": { schema: AGE, answer: "", says: /without an answer/ },
  "a pattern": {
    schema: { type: "string", pattern: "^a+$" },
    answer: '"b"',
    says: /does not match/,
  },
  "a reference": {
    schema: { $ref: "#/$defs/short", $defs: { short: { type: "string", maxLength: 2 } } },
    answer: '"long"',
    says: /does not match/,
  },
  "a reference to itself": {
    schema: { type: "array", items: { $ref: "#" } },
    answer: "[[[1]]]",
    says: /does not match/,
  },
};

for (const [dialect, model] of Object.entries(MODELS)) {
  Deno.test(`an answer that does not match fails, and the next is answered (${dialect})`, async () => {
    await using scripted = await startScripted();
    const { server, provider } = scripted;
    const chat = await scripted.chat();
    for (const [name, { schema, answer, says }] of Object.entries(WRONG)) {
      provider.script({ steps: [{ text: answer }] });
      const sent = await scripted.send(chat, name, { ...format(schema), model });
      const { error, reason } = endOf(await sent.text());
      assertMatch(error ?? "", says, name);
      assertEquals(reason, "error", name);
      provider.script({ steps: [{ text: "fine" }] });
      const next = endOf(await (await scripted.send(chat, "and now?", { model })).text());
      assertEquals([next.text, next.error], ["fine", undefined], name);
    }
    const states = await rowsOf(
      server.dataDir,
      "SELECT state FROM runs ORDER BY created_at, rowid",
    );
    const expected = Object.keys(WRONG).flatMap(() => ["failed", "completed"]);
    assertEquals(states.map(({ state }) => state), expected);
  });
}

Deno.test("an answer that ends in tool calls need not match, the one that goes on with it must", async (t) => {
  const cases: [string, string, boolean][] = [
    ["matches", '{"age":7}', true],
    ["does not match", '{"age":"7"}', false],
    ["is no JSON", "seven", false],
  ];
  for (const [what, text, isGood] of cases) {
    await t.step(what, async () => {
      const script: Script[] = [{ steps: [{ text: "Let me see. " }, CALL] }, { steps: [{ text }] }];
      await using scripted = await startScripted({ script });
      const chat = await scripted.chat();
      const extra = { ...format(AGE), tools: TOOLS };
      const called = endOf(await (await scripted.send(chat, "How old?", extra)).text());
      assertEquals([called.error, called.reason], [undefined, "tool-calls"]);
      const message = await resultFor(scripted, chat);
      const answer = endOf(await (await scripted.send(chat, "", { ...extra, message })).text());
      assertEquals([answer.error === undefined, answer.reason], [
        isGood,
        isGood ? "stop" : "error",
      ]);
      scripted.provider.script({ steps: [{ text: "fine" }] });
      const next = endOf(await (await scripted.send(chat, "and now?")).text());
      assertEquals([next.text, next.error], ["fine", undefined]);
    });
  }
});

Deno.test("a fallback's answer is signed with the model that answered", async (t) => {
  const steps = [{ text: '{"age":7}' }];
  const cases: [string, Script["steps"], Record<string, unknown>][] = [
    ["text", [{ text: "instead" }], {}],
    ["JSON", steps, format(AGE)],
    ["a tool call", [CALL], { ...format(AGE), tools: TOOLS }],
    ["an answer that does not match", [{ text: "seven" }], format(AGE)],
    ["an answer that is cut off", [{ text: "half" }, { cut: true }], {}],
  ];
  for (const [what, steps, extra] of cases) {
    await t.step(what, async () => {
      await using scripted = await startScripted({
        script: ({ model }) => model === MODELS.compatible ? { status: 401 } : { steps: steps! },
        env: { PARLEY_FALLBACKS: "scripted=claude" },
      });
      const { server } = scripted;
      const chat = await scripted.chat();
      const path = `/api/v2/chats/${chat}/messages?protocol=ui`;
      const message = { role: "user", content: "Hello" };
      const sent = await server.ask("POST", path, {
        body: { message, model: "scripted", ...extra },
      });
      const chunks = (await sent.text()).split("\n")
        .filter((line) => line.startsWith("data: {"))
        .map((line) => JSON.parse(line.slice("data: ".length)));
      const signed = chunks.findLast(({ messageMetadata }) => messageMetadata?.model);
      assertEquals(signed?.messageMetadata.model, MODELS.anthropic);
      const history = await (await server.ask("GET", path)).json();
      assertEquals(history.at(-1).metadata.model, MODELS.anthropic);
      const run = sent.headers.get("parley-run-id");
      const replay = await server.ask("GET", `/api/v2/chats/${chat}/stream?protocol=ui&run=${run}`);
      const last = (await replay.text()).split("\n").findLast((line) =>
        line.includes("totalUsage")
      );
      assertMatch(last ?? "", /"model":"claude"/);
    });
  }
});
