/** Streams of real servers of the dialect give the same answer wherever the network cuts them. */
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { ShortTurns } from "../../src/domain/turns.ts";
import { readAnswer } from "../../src/models/chat/client.ts";
import { EventBody } from "../../src/models/event_body.ts";
import { countOf } from "../kit/random.ts";
import { CHAT } from "./corpus/chat.ts";
import { bodyOf, check, cutEverywhere, streamOf } from "./corpus/forms.ts";

const EVERY = countOf("PARLEY_CASES_EVERY", 5);

for (const [name, recorded] of Object.entries(CHAT)) {
  Deno.test(`${name}: the same answer in any form, cut anywhere`, async () => {
    for (const [pieces, where] of cutEverywhere(recorded, EVERY)) {
      check(await partsOf(pieces), recorded, where);
    }
  });
}

Deno.test("each answer comes whole from its bytes one by one", async () => {
  for (const [name, recorded] of Object.entries(CHAT)) {
    const bytes = new TextEncoder().encode(bodyOf(recorded, "\n", "\n"));
    check(await partsOf([...bytes].map((byte) => Uint8Array.of(byte))), recorded, name);
  }
});

Deno.test("what follows the end of an answer changes nothing", async () => {
  for (const [name, recorded] of Object.entries(CHAT)) {
    if (!recorded.events.includes("[DONE]")) continue;
    const body = bodyOf(recorded, "\n", "\n");
    const later = 'data: {"error":{"message":"late"}}\n\n';
    const bytes = new TextEncoder().encode(body + later);
    check(await partsOf([bytes]), recorded, `${name}, with more`);
    check(await partsOf([bytes.slice(0, body.length)], new Error("reset")), recorded, name);
  }
});

async function partsOf(
  pieces: Uint8Array[],
  end?: Error,
): Promise<LanguageModelV4StreamPart[]> {
  const parts: LanguageModelV4StreamPart[] = [];
  let ids = 0;
  const events = new EventBody(streamOf(pieces, end), new ShortTurns(), 8_000);
  await readAnswer(events, (part) => void parts.push(part), () => `new-${ids++}`);
  return parts;
}
