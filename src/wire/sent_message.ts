/** Decodes the message of a request, from any AI SDK version, into the neutral form. */
import { z } from "zod";
import { AppError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { isToolPart, type Part } from "../domain/message.ts";
import type { RefusedUrls } from "../domain/policies.ts";
import { isRefusedUrl } from "../net/public_url.ts";
import { decodeFile, decodePart } from "./parts.ts";
import { fileNameSchema, fileUrlSchema, mediaTypeSchema } from "./ui_parts.ts";
import type { SentPart } from "./v4_parts.ts";
import { isMark, unmarked } from "./unfinished.ts";
import { invalidMessage, nameSchema, objectSchema, parseField } from "./validate.ts";

/** A message as the client sent it; `id` is undefined if the client gave none. */
export interface DecodedMessage {
  id: string | undefined;
  /** An assistant message brings back an answer with the results of tools the client ran. */
  role: "user" | "assistant";
  parts: Part[];
  metadata: JsonObject;
}

const typeSchema = nameSchema();
const partSchema = z.custom<SentPart>(
  (value) => typeSchema.safeParse((value as { type?: unknown } | null)?.type).success,
  "Expected a part with a type",
);

const kept = "Kept, and returned in the history.";

/** A message as a client sends it. `parts.ts` checks its parts. */
export const messageSchema = z.object({
  id: nameSchema().nullish().meta({ description: "By default, a new one." }),
  role: z.enum(["user", "assistant"], 'Expected "user", or "assistant" with tool results'),
  content: z.string().nullish().meta({ description: "The text, unless a part holds it." }),
  parts: z.array(partSchema).max(1_000).nullish(),
  experimental_attachments: z.array(z.looseObject({
    name: fileNameSchema.nullish(),
    contentType: mediaTypeSchema.nullish(),
    url: fileUrlSchema,
  })).max(100).nullish(),
  annotations: z.array(z.unknown()).max(1_000).nullish().meta({
    description: `From AI SDK 4. ${kept}`,
  }),
  metadata: objectSchema.nullish().meta({
    description: `From AI SDK 5 and later. ${kept}`,
  }),
});

/** What a message may have. */
interface SentLimits {
  /** Characters of text. */
  chars: number;
  files: number;
  refusedUrls: RefusedUrls;
}

/**
 * Decodes a message with `content`, `parts` or both, in which case the parts take precedence.
 * @throws {AppError} `bad_request` listing the invalid fields; `too_large` for too much of anything.
 */
export function decodeMessage(value: unknown, limits: SentLimits): DecodedMessage {
  const message = parseField(messageSchema, value, "message");
  const parts = decodeParts(message);
  const { annotations, metadata } = message;
  if (message.role === "user") {
    checkUser(parts, limits);
    checkRest(parts, { metadata, annotations });
    checkUrls(message, limits.refusedUrls);
  }
  const id = message.id || undefined;
  if (message.role === "assistant" && id === undefined) {
    throw invalidMessage("message.id", "Expected the id of the answer");
  }
  return {
    id,
    role: message.role,
    parts,
    metadata: {
      ...unmarked(metadata ?? {}),
      ...(annotations && { annotations: annotations.filter((item) => !isMark(item)) }),
    } as JsonObject,
  };
}

type SentMessage = z.infer<typeof messageSchema>;

function decodeParts(
  { role, content, parts: sent, experimental_attachments }: SentMessage,
): Part[] {
  const parts = (sent ?? []).flatMap((part, index) => decodePart(part, `message.parts.${index}`))
    // Drop a user's empty texts, but keep those of an answer, since clients do.
    .filter((part) => role === "assistant" || part.type !== "text" || part.text !== "");
  if (!parts.some(({ type }) => type === "text") && content) {
    parts.unshift({ type: "text", text: content });
  }
  (experimental_attachments ?? []).forEach(({ name, contentType, url, ...rest }, index) => {
    const field = `message.experimental_attachments.${index}`;
    const sniffed = /^data:([^;,]+)/.exec(url.slice(0, 300))?.[1];
    const mediaType = contentType ?? sniffed ?? "application/octet-stream";
    const file = { ...rest, type: "file", mediaType, url, ...(name && { filename: name }) };
    parts.push(decodeFile(file, field));
  });
  return parts;
}

/** Only URLs are refused that a provider would fetch: neither data nor files of this server. */
function checkUrls({ parts, experimental_attachments }: SentMessage, refused: RefusedUrls): void {
  const check = (url: unknown, field: string) => {
    if (typeof url !== "string" || !/^https?:/i.test(url) || !isRefusedUrl(url, refused)) return;
    throw invalidMessage(field, "Expected a public address: a provider would fetch this one");
  };
  parts?.forEach((part, index) => {
    if (part.type === "file") check("url" in part && part.url, `message.parts.${index}.url`);
  });
  experimental_attachments?.forEach(({ url }, index) =>
    check(url, `message.experimental_attachments.${index}.url`)
  );
}

function checkUser(parts: Part[], { chars, files }: SentLimits): void {
  const foreign = parts.findIndex((part) => FOREIGN.has(part.type) || isToolPart(part));
  if (foreign >= 0) {
    const detail = "Expected a part that a user message can have";
    throw invalidMessage(`message.parts.${foreign}.type`, detail);
  }
  let length = 0;
  for (const part of parts) if (part.type === "text") length += part.text.length;
  if (length > chars) {
    throw tooLarge("message", `at most ${chars} characters of text, found ${length}`);
  }
  if (parts.filter(({ type }) => type === "file").length > files) {
    throw tooLarge("message.parts", `at most ${files} files`);
  }
  const said = parts.some((part) =>
    part.type === "file" || (part.type === "text" && part.text.trim() !== "")
  );
  if (!said) throw invalidMessage("message", "Expected some text or a file");
}

/** The most that a message may have beside texts and files: `data-*` parts, metadata; as JSON. */
const REST = 256 * 1024;

/** What goes to no model is kept and returned, but no room for files of one's own. */
function checkRest(parts: Part[], beside: unknown): void {
  const rest = parts.map((part) => {
    if (part.type === "text") return { ...part, text: "" };
    return part.type === "file" && part.url.startsWith("data:") ? { ...part, url: "" } : part;
  });
  if (isLarger([rest, beside], REST)) {
    throw tooLarge("message", `at most ${REST} characters of JSON besides text and files`);
  }
}

/** True if a value is larger than that as JSON, nearly. It makes no JSON, which may be large. */
function isLarger(value: unknown, limit: number): boolean {
  const open = [value];
  let size = 0;
  while (open.length > 0 && size <= limit) {
    const next = open.pop();
    size += typeof next === "string" ? next.length : 4;
    if (typeof next !== "object" || next === null) continue;
    for (const [name, child] of Object.entries(next)) {
      size += Array.isArray(next) ? 1 : name.length;
      open.push(child);
    }
  }
  return size > limit;
}

function tooLarge(field: string, expected: string): AppError {
  return new AppError("too_large", "The message is too large", {
    detail: `Expected ${expected}.`,
    validations: [{ field, detail: `Expected ${expected}` }],
  });
}

/** Part types that only answers have. */
const FOREIGN: ReadonlySet<string> = new Set(["reasoning", "source-url", "source-document"]);
