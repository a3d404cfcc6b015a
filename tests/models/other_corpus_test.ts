/** Streams that the AI SDK reads give the same answer wherever the network cuts them, open or closed. */
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { ShortTurns } from "../../src/domain/turns.ts";
import type { ModelClient } from "../../src/models/client.ts";
import { OpenRequests } from "../../src/models/open_requests.ts";
import { providerFactory } from "../../src/models/provider.ts";
import { callOf } from "../kit/provider/sdk.ts";
import { countOf } from "../kit/random.ts";
import { bodyOf, check, cutEverywhere, streamOf } from "./corpus/forms.ts";
import { OTHERS } from "./corpus/others.ts";

const EVERY = countOf("PARLEY_CASES_EVERY", 15);

for (const [name, recorded] of Object.entries(OTHERS)) {
  Deno.test(`${name}: the same answer in any form, cut anywhere`, async () => {
    const provider = { type: recorded.type, name: "one", apiKey: "key", models: [] };
    const shared = { turns: new ShortTurns(), requests: new OpenRequests() };
    const client = await providerFactory(provider, shared)("m");
    for (const [pieces, where] of cutEverywhere(recorded, EVERY)) {
      check(await partsOf(client, streamOf(pieces)), recorded, where);
    }
    const bytes = new TextEncoder().encode(bodyOf(recorded, "\n", "\n"));
    const single = [...bytes].map((byte) => Uint8Array.of(byte));
    check(await partsOf(client, streamOf(single)), recorded, "byte by byte");
    check(await partsOf(client, streamOf([bytes], "open")), recorded, "open");
    check(
      await partsOf(client, streamOf([bytes], new Error("reset"))),
      recorded,
      "reset behind it",
    );
  });
}

/** The parts of an answer with that body; nothing leaves the machine. */
async function partsOf(
  client: ModelClient,
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<LanguageModelV4StreamPart[]> {
  const headers = { "content-type": "text/event-stream" };
  const { fetch } = globalThis;
  globalThis.fetch = () => Promise.resolve(new Response(body, { headers }));
  try {
    const parts: LanguageModelV4StreamPart[] = [];
    await client.stream(callOf("hi"), new AbortController().signal, (part) => {
      parts.push(part);
    });
    return parts;
  } finally {
    globalThis.fetch = fetch;
  }
}
