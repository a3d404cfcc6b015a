/** Public bug reports of systems like this one, played on Parley byte by byte. */
import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { HISTORIES } from "./histories.ts";
import { NEAR } from "./near_forms.ts";
import { ANSWERING } from "./answers.ts";
import { type Case, play, type Played, type Variant } from "./run.ts";

const FOLDER = new URL(".", import.meta.url).pathname;

/** Needs the environment of the process: tests/models/address_test.ts. */
const ELSEWHERE = "key-to-env-address.json";

/** What has to be right beside the texts in the case itself. */
const RIGHT: Record<string, (played: Played) => Promise<void> | void> = {
  "content-length"({ asked: [request, ...more] }) {
    assert(request!.headers.has("content-length"));
    assert(!request!.headers.has("transfer-encoding"));
    assertEquals(more, []);
  },
  async "delete-while-streaming"({ asked, history }) {
    await asked[0]!.closed;
    assert(!Array.isArray(history), "the chat is gone");
  },
  "done-then-open"({ told: [answer], usage }) {
    assertLessOrEqual(answer!.took, 1_000);
    assertEquals(answer!.errors, []);
    const [row] = usage.usage ?? usage.models ?? [usage];
    assertMatch(JSON.stringify(row), /10/);
  },
  "file-bricks-chat"({ told }) {
    assertEquals(told.at(-1)!.text, "Fine.");
  },
  "json-error-200"({ asked }) {
    assertEquals(asked.length, 1);
  },
  "keepalive-comments"({ asked }) {
    assertEquals(asked.length, 1);
  },
  "malformed-function-call"({ told: [answer] }) {
    assert(answer!.text === "Fine." || answer!.errors.length > 0);
  },
  "midstream-error"({ told: [first, second] }) {
    assertEquals(first!.errors.length, 1);
    assertEquals(second!.text, "Fine.");
  },
  "reasoning-content-back"({ asked }) {
    for (const { body } of asked.slice(1)) {
      // deno-lint-ignore no-explicit-any -- as sent
      const call = body.messages.find((message: any) => message.tool_calls);
      assertEquals(call.reasoning_content, "I need the weather.");
    }
    assertEquals(asked.length, 3);
  },
  "stop-in-tool-call"({ asked, told }) {
    const { messages } = asked.at(-1)!.body;
    const at = messages.findIndex(({ content }: { content: { type: string }[] }) =>
      content.some(({ type }) => type === "tool_use")
    );
    assertEquals(messages[at + 1].content[0].type, "tool_result");
    assertEquals(told.at(-1)!.text, "Fine.");
  },
  "tool-ids-switch"({ asked }) {
    assertMatch(JSON.stringify(asked[1]!.body), /functions\.get_weather:0/);
    const claude = JSON.stringify(asked.at(-1)!.body);
    const [, call] = /"type":"tool_use","id":"([a-zA-Z0-9_-]+)"/.exec(claude) ?? [];
    const [, result] = /"tool_use_id":"([^"]+)"/.exec(claude) ?? [];
    assert(call !== undefined && call === result);
  },
  "whitespace-text"({ asked, told }) {
    for (const { body } of asked) {
      assert(!/"text":"(\\n|\s)*"/.test(JSON.stringify(body.messages)));
    }
    assertEquals(told.at(-1)!.text, "Fine.");
  },
};

for (
  const { name: file } of [...Deno.readDirSync(FOLDER)].toSorted((a, b) => a.name < b.name ? -1 : 1)
) {
  if (!file.endsWith(".json") || file === ELSEWHERE) continue;
  const one: Case = JSON.parse(Deno.readTextFileSync(`${FOLDER}${file}`));
  one.variants.forEach((variant, index) => {
    const form = one.variants.length > 1 ? `, ${variant.name ?? index}` : "";
    Deno.test(`${one.name}${form}: ${one.right}`, async () => {
      await play(one, variant, async (played) => {
        checkTold(variant, played);
        await RIGHT[one.name]?.(played);
      });
    });
  });
}

for (const { check, turns = [{ text: "hi" }], ...own } of [...ANSWERING, ...NEAR, ...HISTORIES]) {
  for (const ui of [false, true]) {
    const one = { name: "own", happens: "", right: "", provider: own.provider, variants: [] };
    Deno.test(`${own.provider}: ${own.name}${ui ? ", in the UI stream" : ""}`, async () => {
      await play(one, { ...own, turns, ui }, async (played) => {
        checkTold({ ...own, turns }, played);
        await check?.(played);
      });
    });
  }
}

function checkTold(variant: Variant, { told, history, title }: Played): void {
  const [first] = told;
  const errors = told.flatMap(({ errors }) => errors).join("\n");
  if (variant.text !== undefined) {
    assertEquals(first!.text, variant.text);
    assertEquals(history[1].content, variant.text);
  }
  if (variant.reasoning !== undefined) assertEquals(first!.reasoning, variant.reasoning);
  if (variant.calls !== undefined) assertEquals(first!.calls, variant.calls);
  if (variant.title !== undefined) assertEquals(title, variant.title);
  if (variant.says !== undefined) assert(errors.includes(variant.says), errors);
  for (const word of variant.must_not_say ?? []) assert(!errors.includes(word), errors);
}
