/** The parts of AI SDK 5 and later, which are those of the neutral form. */
import { z } from "zod";
import { isJsonObject } from "../domain/json.ts";
import { nameSchema, objectSchema } from "./validate.ts";

const providerMetadata = objectSchema.superRefine((notes, context) => {
  const wrong = Object.keys(notes).find((provider) => !isJsonObject(notes[provider]));
  if (wrong === undefined) return;
  context.addIssue({ code: "custom", path: [wrong], message: "Expected an object" });
}).optional().meta({
  description: "The provider's own notes, such as signatures.",
  additionalProperties: { type: "object", additionalProperties: {} },
});
const state = z.enum(["streaming", "done"]).optional();
const optionalText = z.string().optional();

/** The longest file name and tool name, and the longest id of a call: some providers keep notes in it. */
const LONG_NAME = 1_000;
const CALL_ID = 8_000;

/** The longest URL, unless it holds the file itself. */
const URL_LENGTH = 8_000;

/** The name of a file. */
export const fileNameSchema = nameSchema(LONG_NAME);

/** The id of a tool call. */
export const callIdSchema = nameSchema(CALL_ID).min(1);

/** A media type; empty as browsers send it for a file of a type that they do not know. */
export const mediaTypeSchema = nameSchema()
  .regex(/^([\w.+-]+\/[\w.+*-]+(;.*)?)?$/, "Expected a media type such as image/png");

const OWN_FILE = "/api/v2/chats/[0-9a-f-]{36}/files/[0-9a-f-]{36}$";
const FILE_URL = RegExp(
  `^(data:([^,]{0,300};base64,[A-Za-z0-9+/]*={0,2})?$|https?://|${OWN_FILE})`,
);

/** The URL of a file; a browser's for an empty one is "data:". */
export const fileUrlSchema = z.string()
  .refine(isFileUrl, "Expected a base64 data: URL, an http(s) URL or a file of this chat")
  .meta({
    pattern: FILE_URL.source,
    description: "A `data:` URL in base64, an http(s) URL, or the `url` of a file of the chat.",
  });

/** How much of a URL is checked here, in characters. The rest of a long one is when it is decoded. */
const CHECKED = 64 * 1024;

function isFileUrl(url: string): boolean {
  return FILE_URL.test(url.slice(0, CHECKED)) &&
    (!url.startsWith("http") || (url.length <= URL_LENGTH && URL.canParse(url)));
}

/** A text. */
export const textSchema = z.looseObject({
  type: z.literal("text"),
  // Go's encoder omits an empty text.
  text: z.string().default(""),
  state,
  providerMetadata,
});

/** A block of reasoning. */
export const reasoningSchema = z.looseObject({
  type: z.literal("reasoning"),
  id: optionalText,
  text: z.string(),
  state,
  providerMetadata,
});

/** A web page that the answer refers to. */
export const sourceUrlSchema = z.looseObject({
  type: z.literal("source-url"),
  sourceId: z.string(),
  url: z.string(),
  title: optionalText,
  providerMetadata,
});

/** A document that the answer refers to. */
export const documentSchema = z.looseObject({
  type: z.literal("source-document"),
  sourceId: z.string(),
  mediaType: z.string(),
  title: z.string(),
  filename: optionalText,
  providerMetadata,
});

/** A file. */
export const fileSchema = z.looseObject({
  type: z.literal("file"),
  mediaType: mediaTypeSchema,
  url: fileUrlSchema,
  filename: fileNameSchema.optional(),
  providerMetadata,
});

/** The keys of a tool call in every state. */
export const call = {
  type: z.string().meta({
    pattern: "^(dynamic-tool$|tool-)",
    description: "`tool-NAME` for a tool that the request declared, else `dynamic-tool`.",
  }),
  toolName: nameSchema(LONG_NAME).optional().meta({ description: "With `dynamic-tool`." }),
  toolCallId: callIdSchema,
  input: z.unknown().optional(),
  title: optionalText,
  providerExecuted: z.boolean().optional(),
  callProviderMetadata: providerMetadata,
};

const absent = z.undefined("Expected none in this state").optional();
const open = { ...call, output: absent, errorText: absent };
const ended = { ...call, resultProviderMetadata: providerMetadata };

const asked = z.looseObject({ id: z.string(), approved: absent, reason: absent });
const answered = asked.extend({ approved: z.boolean(), reason: z.string().optional() });
const granted = answered.extend({ approved: z.literal(true) }).optional();

/**
 * A tool call, with the keys of each state as in the newest client's own schema: a client that
 * reads the message back parses a call by its state.
 */
export const toolSchema = z.discriminatedUnion("state", [
  z.looseObject({
    ...open,
    state: z.literal("input-streaming"),
    rawInput: z.string().optional(),
    approval: absent,
  }),
  z.looseObject({ ...open, state: z.literal("input-available"), approval: absent }),
  z.looseObject({ ...open, state: z.literal("approval-requested"), approval: asked }),
  z.looseObject({ ...open, state: z.literal("approval-responded"), approval: answered }),
  z.looseObject({
    ...ended,
    state: z.literal("output-available"),
    output: z.unknown().optional(),
    errorText: absent,
    preliminary: z.boolean().optional(),
    approval: granted,
  }),
  z.looseObject({
    ...ended,
    state: z.literal("output-error"),
    output: absent,
    errorText: z.string(),
    approval: granted,
  }),
  z.looseObject({
    ...open,
    state: z.literal("output-denied"),
    approval: answered.extend({ approved: z.literal(false) }),
  }),
]);
