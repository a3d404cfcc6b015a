/** Which answers another process can go on with, and how what comes then joins what was there. */
import { assertEquals } from "@std/assert";
import type { RunEvent } from "../../src/domain/event.ts";
import { continuationOf } from "../../src/runs/continuation.ts";
import { Remains } from "../../src/runs/remains.ts";

const START: RunEvent[] = [
  { type: "start", messageId: "m", model: "x" },
  { type: "step-start", messageId: "m" },
  { type: "text-start", id: "t" },
];
const said = (...texts: string[]): RunEvent[] =>
  texts.map((text) => ({ type: "text-delta", id: "t", text }));

function remainsOf(events: readonly RunEvent[]): Remains {
  const remains = new Remains(undefined, 0);
  events.forEach((event, index) => remains.add({ seq: index + 1, event }));
  return remains;
}

Deno.test("a model goes on with text that was cut off, and with nothing else", () => {
  const cases: [string, RunEvent[], string | undefined][] = [
    ["text", [...START, ...said("one ", "two")], "one two"],
    ["text that ends in white space", [...START, ...said("one ", "\n")], "one"],
    ["white space alone", [...START, ...said(" ", "\n")], undefined],
    ["no text", START, undefined],
    ["text that has ended", [...START, ...said("one"), { type: "text-end", id: "t" }], undefined],
    [
      "reasoning before it",
      [
        ...START.slice(0, 2),
        { type: "reasoning-start", id: "r" },
        { type: "reasoning-delta", id: "r", text: "hm" },
        { type: "reasoning-end", id: "r" },
        START[2]!,
        ...said("one"),
      ],
      undefined,
    ],
  ];
  for (const [name, events, text] of cases) {
    assertEquals(continuationOf(remainsOf(events), "anthropic")?.text, text, name);
    assertEquals(continuationOf(remainsOf(events), "openai"), undefined, name);
  }
});

Deno.test("what a model says then goes on in the block that was open, without its space twice", () => {
  const continued: RunEvent[] = [];
  const log = [...START, ...said("one ")];
  const { join } = continuationOf(remainsOf(log), "anthropic")!;
  const emit = (event: RunEvent) => {
    const joined = join(event);
    if (joined) continued.push(joined);
  };
  emit({ type: "text-start", id: "other" });
  emit({ type: "text-delta", id: "other", text: " " });
  emit({ type: "text-delta", id: "other", text: " two" });
  emit({ type: "text-delta", id: "other", text: " three" });
  emit({ type: "text-end", id: "other" });
  assertEquals(continued, [...said("two", " three"), { type: "text-end", id: "t" }]);
});
