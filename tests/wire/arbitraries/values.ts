/** Arbitrary values of which events and messages are made. */
import fc from "fast-check";
import type { ProviderMetadata } from "../../../src/domain/event.ts";
import type { Json, JsonObject } from "../../../src/domain/json.ts";

/** Characters that protocols have trouble with: line ends, quotes, what takes several bytes, halves. */
const unit = fc.constantFrom(
  ...["a", "b", " ", "0", ":", '"', "\\", "\n", "\r", "\u0000", "\u2028", "é", "語", "😀"],
  ...["\ud83d", "\ude00", "{", "}", "[", "]", "data: ", "\n\n", "[DONE]"],
);

/** Any text; never empty. */
export const text = fc.string({ unit, minLength: 1, maxLength: 8 });

/** Any name, as models and clients give to files and ids. */
export const name = fc.string({
  unit: fc.constantFrom("a", "B", "7", "_", "-", "é", " ", '"'),
  minLength: 1,
  maxLength: 6,
});

const key = fc.oneof(
  name,
  fc.constantFrom("value", "type", "toString", "prototype", "length", "text"),
);

/** Any JSON, without keys that the clients' parsers refuse. */
export const json: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, 0, -1.5, 1e21),
    text,
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(key, tie("json"), { maxKeys: 3, noNullPrototype: true }),
  ),
})).json;

/** Any JSON object. */
export const jsonObject = fc.dictionary(key, json, { maxKeys: 3, noNullPrototype: true }) as //
fc.Arbitrary<JsonObject>;

/** Notes as a provider puts them on a block, if it does. */
export const providerNotes: fc.Arbitrary<{ providerMetadata?: ProviderMetadata }> = fc.oneof(
  fc.constant({}),
  fc.record({ providerMetadata: fc.record({ openai: jsonObject }) }),
  fc.record({
    providerMetadata: fc.record({ google: fc.record({ thoughtSignature: name }) }),
  }),
);

/** Base64 of a few bytes. */
export const base64 = fc.uint8Array({ maxLength: 7 }).map((bytes) => bytes.toBase64());

/** A media type, with a parameter sometimes. */
export const mediaType = fc.constantFrom(
  ...["image/png", "application/pdf", "text/plain;charset=utf-8", "image/svg+xml"],
);

/** A URL of somewhere else. */
export const webUrl = fc.constantFrom("https://e.example/a.png", "http://e.example/?a=b&c#d");
