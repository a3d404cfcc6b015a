/** The reader that reads of an event like the one before only its text gives what reading all of it gives. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { EventReader, eventsIn, type ServerEvent } from "../../src/models/chat/events.ts";
import { casesOf } from "../kit/random.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom(
    "",
    '"',
    "\\",
    '","b":"',
    'x"}}]}',
    "content",
    "a",
    "\n",
    "é",
    "\u2028",
    "\\u0061",
  ),
);
/** How an encoder may write a text. */
const literal = fc.oneof(
  text.map((text) => JSON.stringify(text)),
  text.map((text) =>
    `"${
      [...Array(text.length).keys()]
        .map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")
    }"`
  ),
  fc.constantFrom("null", "7", '["a"]', '"half', '"a""b"', '"a" ', ' "a"'),
);
/** Events, written around a text, that differ in what else they say and where. */
const around = fc.constantFrom<((text: string) => string)[]>(
  (text) => `{"id":"1","choices":[{"index":0,"delta":{"content":${text}},"finish_reason":null}]}`,
  (text) => `{"id":"2","choices":[{"index":0,"delta":{"content":${text}},"finish_reason":null}]}`,
  (text) => `{"choices":[{"delta":{"content":${text}},"finish_reason":"stop"}]}`,
  (text) => `{"choices":[{"delta":{"reasoning_content":${text},"content":null}}]}`,
  (text) => `{"choices":[{"delta":{"reasoning":"same","content":${text}}}]}`,
  (text) => `{"a":${text},"choices":[{"delta":{"content":${text}}}],"b":${text}}`,
  (text) => `{"choices":[{"delta":{"content":"a","content":${text}}}]}`,
  (text) => `{"choices":[{"delta":{"content":${text},"content":"a"}}]}`,
  (text) => `{"choices":[{"delta":{"content":"a"}}],"text":${text}}`,
  (text) => `{"choices":[{"text":${text}}]}`,
  (text) => text,
);
const event = fc.record({
  head: fc.constantFrom("data: ", "data:", "event: a\ndata: ", "data: 1\ndata: "),
  around,
  literals: fc.array(literal, { minLength: 1, maxLength: 5 }),
}).map(({ head, around, literals }) =>
  literals.map((literal) => `${head}${around(literal)}\n\n`).join("")
);

function* copies(events: Iterable<ServerEvent>): Generator<ServerEvent> {
  for (const event of events) yield structuredClone(event);
}

Deno.test("an event like the one before is read as any other", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 6 }), (events) => {
      const reader = new EventReader();
      // Copied at once, since an event is valid until the next is read.
      const read = events.flatMap((text) => [...copies(reader.eventsIn(text))]);
      assertEquals(read, events.flatMap((text) => [...eventsIn(text)]));
    }),
    { numRuns: casesOf(2_000) },
  );
});
