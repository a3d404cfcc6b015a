/** P4 and P11: a position names its run, and gives that run's tail and nothing else. */
import { assert, assertEquals } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, lastUserText } from "../kit/provider/provider.ts";
import { TOKENS } from "../kit/parley.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";

const textIn = (stream: string) => textOf(partsOf(stream));

/** A chat with an ended run, whose text is all "a", and a live one, whose text is all "b". */
async function twoRuns(options: { live: boolean }) {
  const held = gate();
  const scripted = await startScripted({
    script: (request) => {
      const letter = lastUserText(request.body);
      const steps = Array.from({ length: 5 }, () => ({ text: letter }));
      return { steps: letter === "b" && options.live ? [...steps, { wait: held }] : steps };
    },
  });
  const chat = await scripted.chat();
  const first = await scripted.send(chat, "a");
  const firstText = await first.text();
  const second = new StreamReader(await scripted.send(chat, "b"));
  await second.until(`0:"b"\n`.repeat(5));
  return {
    scripted,
    chat,
    held,
    first: { run: first.headers.get("parley-run-id")!, text: firstText },
    second: { run: second.response.headers.get("parley-run-id")!, reader: second },
    async [Symbol.asyncDispose]() {
      held.open();
      await second.rest();
      await scripted[Symbol.asyncDispose]();
    },
  };
}

/** A request to resume by each of the ways to name a position. */
function waysOf(run: string, after: number): { query: string; headers: Record<string, string> }[] {
  return [
    { query: `?after=${run}:${after}`, headers: {} },
    { query: `?run=${run}&after=${after}`, headers: {} },
    { query: `?run=${run}&after=${run}:${after}`, headers: {} },
    { query: "", headers: { "last-event-id": `${run}:${after}` } },
    { query: `?run=${run}`, headers: { "last-event-id": `${after}` } },
    { query: `?run=${run}`, headers: { "last-event-id": `${run}:${after}` } },
  ];
}

async function resume(
  { server }: Scripted,
  chat: string,
  query: string,
  headers: Record<string, string> = {},
  token = TOKENS.alice,
): Promise<{ status: number; text: string; run: string | null }> {
  const path = `/api/v2/chats/${chat}/stream${query}`;
  const response = await server.ask("GET", path, { headers, token });
  const { status } = response;
  return { status, text: await response.text(), run: response.headers.get("parley-run-id") };
}

for (const live of [true, false]) {
  const what = live ? "while the second is live" : "once both have ended";
  Deno.test(`positions of a chat's first run never give the second's tail, ${what}`, async () => {
    await using runs = await twoRuns({ live });
    const { scripted, chat, first } = runs;
    const size = first.text.trim().split("\n").length;
    for (let after = 0; after <= size + 5; after++) {
      const answers = [];
      for (const { query, headers } of waysOf(first.run, after)) {
        answers.push(await resume(scripted, chat, query, headers));
      }
      const [one] = answers;
      for (const answer of answers) assertEquals(answer, one, `after ${after}`);
      assert(first.text.endsWith(one!.text), one!.text);
      assertEquals(one!.text.includes(`0:"b"`), false);
      if (one!.status === 200) assertEquals(one!.run, first.run);
      if (after === 0) assertEquals(one!.text, first.text);
    }
    assertEquals((await resume(scripted, chat, `?after=${first.run}:1000`)).status, 204);
  });
}

Deno.test("positions of the live run give its tail, by whichever way they come", async () => {
  await using runs = await twoRuns({ live: true });
  const { scripted, chat, second, held } = runs;
  const path = `/api/v2/chats/${chat}/stream`;
  const readers: { after: number; reader: StreamReader }[] = [];
  for (const after of [0, 1, 3, 4, 6]) {
    for (const { query, headers } of waysOf(second.run, after)) {
      const response = await scripted.server.ask("GET", path + query, { headers });
      assertEquals(response.status, 200);
      readers.push({ after, reader: new StreamReader(response) });
    }
  }
  held.open();
  const whole = await second.reader.rest();
  assertEquals(textIn(whole), "bbbbb");
  const tails = new Map<number, string>();
  for (const { after, reader } of readers) {
    const tail = await reader.rest();
    assert(whole.endsWith(tail));
    assertEquals(tails.get(after) ?? tail, tail);
    tails.set(after, tail);
  }
  assertEquals(tails.get(0), whole);
  assertEquals(new Set(tails.values()).size > 3, true);
});

Deno.test("a position without its run, or of two runs, is refused", async () => {
  await using runs = await twoRuns({ live: true });
  const { scripted, chat, first, second } = runs;
  const refused: [string, Record<string, string>][] = [
    ["?after=3", {}],
    ["", { "last-event-id": "3" }],
    ["?after=x", {}],
    ["?after=-1", {}],
    [`?after=${first.run}`, {}],
    [`?after=${first.run}:`, {}],
    [`?after=${first.run}:x`, {}],
    [`?after=${first.run}:1&run=${second.run}`, {}],
    [`?run=${second.run}`, { "last-event-id": `${first.run}:1` }],
    ["", { "last-event-id": "x" }],
    ["", { "last-event-id": `${first.run}:1:2` }],
    ["?run=x", {}],
  ];
  for (const [query, headers] of refused) {
    const { status, text } = await resume(scripted, chat, query, headers);
    assertEquals(status, 400, `${query} ${JSON.stringify(headers)}`);
    assertEquals(JSON.parse(text).validations.length > 0, true);
  }
});

Deno.test("a position of another chat's or another user's run gives no content", async () => {
  await using runs = await twoRuns({ live: true });
  const { scripted, chat, first, second } = runs;
  const other = await scripted.chat();
  const bobs = await scripted.server.newChat({ token: TOKENS.bob });
  for (const run of [first.run, second.run]) {
    for (const { query, headers } of waysOf(run, 1)) {
      const strangers = [
        await resume(scripted, other, query, headers),
        await resume(scripted, bobs, query, headers, TOKENS.bob),
        await resume(scripted, chat, query, headers, TOKENS.bob),
      ];
      assertEquals(strangers.map(({ status }) => status), [204, 204, 404]);
      for (const { text } of strangers) assertEquals(text.includes(`0:"`), false);
    }
  }
});
