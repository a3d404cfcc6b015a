/** Arbitrary messages in the forms in which clients hold them and send them back. */
import fc from "fast-check";
import type { Json } from "../../../src/domain/json.ts";
import { base64, json, jsonObject, mediaType, name, text, webUrl } from "./values.ts";

/** A message as a client has it. */
export type ClientMessage = Record<string, Json> & { parts: Json[] };

type Shape = Record<string, fc.Arbitrary<unknown>>;

/** An object; keys with a question mark may be missing. */
function object(shape: Shape): fc.Arbitrary<Record<string, Json>> {
  const requiredKeys = Object.keys(shape).filter((key) => !key.endsWith("?"));
  const plain = Object.fromEntries(
    Object.entries(shape).map(([key, value]) => [key.replace("?", ""), value]),
  );
  return fc.record(plain, { requiredKeys, noNullPrototype: true }) as //
  fc.Arbitrary<Record<string, Json>>;
}

const is = (type: string) => fc.constant(type);
const said = text.map((text) => `a${text}`);
const dataUrl = fc.tuple(mediaType, base64).map(([type, data]) => `data:${type};base64,${data}`);
const createdAt = fc.constant("2026-11-23T09:31:08.112Z");
const annotations = fc.array(json, { maxLength: 3 });

const notes = fc.dictionary(name, jsonObject, { maxKeys: 2, noNullPrototype: true });

/** Keys that no generation of the AI SDK knows. */
const unknownKeys = { "value?": json, "x-a?": json };

/** What Parley does not know: data of the app's, and what newer clients have. */
const other = fc.oneof(
  object({ type: fc.constantFrom("data-weather", "data-"), "id?": name, data: json }),
  object({ type: is("custom"), kind: name, "providerMetadata?": notes }),
  object({ type: fc.constantFrom("unknown-thing", "reset"), "value?": json, "text?": json }),
);

const attachment = object({
  ...unknownKeys,
  "name?": name,
  contentType: mediaType,
  url: fc.oneof(dataUrl, webUrl),
});

/** A user's message in AI SDK 4: the text stands in it twice. */
export const v4User: fc.Arbitrary<ClientMessage> = fc.tuple(
  object({
    id: name,
    role: is("user"),
    createdAt,
    content: said,
    "experimental_attachments?": fc.array(attachment, { minLength: 1, maxLength: 3 }),
    "annotations?": annotations,
  }),
  object(unknownKeys),
  fc.array(other, { maxLength: 2 }),
).map(([message, others, parts]) => ({
  ...message,
  parts: [{ ...others, type: "text", text: message["content"]! }, ...parts],
}));

const detail = fc.oneof(
  object({ type: is("text"), text, "signature?": name }),
  object({ type: is("text"), text: is(""), signature: name }),
  object({ type: is("redacted"), data: name }),
);

const v4Reasoning = fc.tuple(
  fc.array(detail, { minLength: 1, maxLength: 3 }),
  object(unknownKeys),
).map(([details, others]) => ({
  ...others,
  type: "reasoning",
  reasoning: details.map(({ text }) => text ?? "").join(""),
  details,
}));

const toolName = fc.constantFrom("look", "where", "invocation");
const callId = fc.integer({ min: 1, max: 1e9 }).map((n) => `call_${n}`);

const v4Call = { ...unknownKeys, toolCallId: callId, toolName, args: jsonObject };
const v4Tool = fc.tuple(
  fc.oneof(
    object({ ...v4Call, state: is("partial-call") }),
    object({ ...v4Call, state: is("call") }),
    object({ ...v4Call, state: is("result"), result: json }),
  ),
  object(unknownKeys),
).map(([toolInvocation, others]) => ({ ...others, type: "tool-invocation", toolInvocation }));

const v4Source = fc.tuple(
  object({
    ...unknownKeys,
    sourceType: is("url"),
    id: name,
    url: webUrl,
    "title?": text,
    "providerMetadata?": notes,
  }),
  object(unknownKeys),
).map(([source, others]) => ({ ...others, type: "source", source }));

const v4File = object({ ...unknownKeys, type: is("file"), mimeType: mediaType, data: base64 });

/** A step holds one reasoning and one text at most: the client adds to what it has. */
const v4Step = fc.tuple(
  fc.option(v4Reasoning, { nil: undefined }),
  fc.array(
    fc.oneof(v4Tool, v4Source, v4File, other),
    { maxLength: 4 },
  ),
  fc.option(object({ ...unknownKeys, type: is("text"), text }), { nil: undefined }),
  fc.boolean(),
).map(([reasoning, others, said, first]) =>
  [reasoning, ...(first ? [said, ...others] : [...others, said])].filter((part) => part) as Json[]
);

/** An answer in AI SDK 4, with what its client derives of the parts. */
export const v4Answer: fc.Arbitrary<ClientMessage> = fc.tuple(
  object({ id: name, role: is("assistant"), createdAt, "annotations?": annotations }),
  fc.array(v4Step, { minLength: 1, maxLength: 3 }),
).map(([message, steps]) => withDerived(message, steps));

function withDerived(message: Record<string, Json>, steps: Json[][]): ClientMessage {
  const parts = steps.flatMap((step, index) => [
    { type: "step-start" },
    ...step.map((part) => withStep(part as Record<string, Json>, index)),
  ]) as Record<string, Json>[];
  const of = (type: string) => parts.filter((part) => part["type"] === type);
  const details = of("reasoning").flatMap((part) => part["details"] as { text?: string }[]);
  const calls = of("tool-invocation").map((part) => part["toolInvocation"]!);
  return {
    ...message,
    parts,
    content: of("text").map(({ text }) => text).join(""),
    ...(details.some(({ text }) => text !== undefined) &&
      { reasoning: of("reasoning").map(({ reasoning }) => reasoning).join("") }),
    ...(calls.length > 0 && { toolInvocations: calls }),
  };
}

function withStep(part: Record<string, Json>, step: number): Json {
  const call = part["toolInvocation"];
  return call ? { ...part, toolInvocation: { ...call as Record<string, Json>, step } } : part;
}

const uiState = fc.constantFrom("streaming", "done");
const uiText = object({
  type: is("text"),
  text,
  "state?": uiState,
  "providerMetadata?": notes,
  // What the newest clients have here, and older ones do not.
  "citations?": fc.array(json, { maxLength: 2 }),
  ...unknownKeys,
});
const uiFile = fc.oneof(
  fc.tuple(mediaType, base64).map(([mediaType, data]) => ({
    mediaType,
    url: `data:${mediaType};base64,${data}`,
  })),
  fc.tuple(mediaType, webUrl).map(([mediaType, url]) => ({ mediaType, url })),
).chain((file) =>
  object({
    type: is("file"),
    mediaType: fc.constant(file.mediaType),
    url: fc.constant(file.url),
    "filename?": name,
    "providerMetadata?": notes,
    ...unknownKeys,
  })
);

/** A user's message in AI SDK 5 and later. */
export const uiUser: fc.Arbitrary<ClientMessage> = fc.tuple(
  object({ id: name, role: is("user"), "metadata?": jsonObject.filter(notEmpty) }),
  said.map((text) => ({ type: "text", text })),
  fc.array(fc.oneof(uiText, uiFile, other), { maxLength: 4 }),
).map(([message, first, parts]) => ({ ...message, parts: [first, ...parts] }));

const callOptions = {
  ...unknownKeys,
  toolCallId: callId,
  "title?": text,
  "providerExecuted?": fc.boolean(),
  "callProviderMetadata?": notes,
};
const approval = (approved: fc.Arbitrary<boolean>) =>
  object({ id: name, approved, "reason?": text });
const granted = { "approval?": approval(fc.constant(true)) };
const uiCall = fc.oneof(
  object({ state: is("input-streaming"), "input?": json, "rawInput?": text, ...callOptions }),
  object({ state: is("input-available"), input: json, ...callOptions }),
  object({
    state: is("approval-requested"),
    input: json,
    approval: object({ id: name }),
    ...callOptions,
  }),
  object({
    state: is("approval-responded"),
    input: json,
    approval: approval(fc.boolean()),
    ...callOptions,
  }),
  object({
    state: is("output-denied"),
    input: json,
    approval: approval(fc.constant(false)),
    ...callOptions,
  }),
  object({
    state: is("output-available"),
    input: json,
    output: json,
    "preliminary?": fc.boolean(),
    "resultProviderMetadata?": notes,
    ...granted,
    ...callOptions,
  }),
  object({ state: is("output-error"), input: json, errorText: text, ...granted, ...callOptions }),
);
const uiTool = fc.tuple(uiCall, toolName, fc.boolean()).map(([call, toolName, dynamic]) =>
  dynamic ? { type: "dynamic-tool", toolName, ...call } : { type: `tool-${toolName}`, ...call }
);
const uiSource = fc.oneof(
  object({
    type: is("source-url"),
    sourceId: name,
    url: webUrl,
    "title?": text,
    "providerMetadata?": notes,
    ...unknownKeys,
  }),
  object({
    type: is("source-document"),
    sourceId: name,
    mediaType,
    title: text,
    "filename?": name,
    "providerMetadata?": notes,
    ...unknownKeys,
  }),
);
const uiReasoning = object({
  type: is("reasoning"),
  text: fc.oneof(text, is("")),
  "id?": name,
  "state?": uiState,
  "providerMetadata?": notes,
  ...unknownKeys,
});
const stepStart = object({ type: is("step-start"), ...unknownKeys });

/** An answer in AI SDK 5 and later. */
export const uiAnswer: fc.Arbitrary<ClientMessage> = fc.tuple(
  object({ id: name, role: is("assistant"), "metadata?": jsonObject.filter(notEmpty) }),
  fc.array(
    fc.oneof(stepStart, uiText, uiReasoning, uiTool, uiTool, uiSource, uiFile, other),
    { minLength: 1, maxLength: 6 },
  ),
).map(([message, parts]) => ({ ...message, parts: parts as Json[] }));

function notEmpty(value: object): boolean {
  return Object.keys(value).length > 0;
}
