/** The message of a request, in the form of any AI SDK generation, to the neutral form. */
import { z } from "zod";
import { AppError } from "../domain/errors.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import { isToolPart, type Part } from "../domain/message.ts";
import { invalidMessage, parseField } from "./invalid.ts";
import { decodeFile, decodePart } from "./parts.ts";
import type { SentPart } from "./v4_parts.ts";

/** A message as a client sent it: without an id where the client gave none. */
export interface DecodedMessage {
  id: string | undefined;
  /** An answer that comes back has the results of tools that the client ran. */
  role: "user" | "assistant";
  parts: Part[];
  metadata: JsonObject;
}

/** The longest id of a message, in characters. */
const ID_LENGTH = 200;

const attachmentSchema = z.looseObject({
  name: z.string().max(1_000).nullish(),
  contentType: z.string().max(200).nullish(),
  url: z.string(),
});

const partSchema = z.custom<SentPart>(
  (value) => typeof (value as { type?: unknown } | null)?.type === "string",
  "Expected a part with a type",
);

const messageSchema = z.object({
  id: z.string().max(ID_LENGTH, `Expected at most ${ID_LENGTH} characters`).nullish(),
  role: z.enum(["user", "assistant"], 'Expected "user", or "assistant" with tool results'),
  content: z.string().nullish(),
  parts: z.array(partSchema).max(1_000).nullish(),
  experimental_attachments: z.array(attachmentSchema).max(100).nullish(),
  annotations: z.array(z.custom<Json>()).max(1_000).nullish(),
  metadata: z.record(z.string(), z.custom<Json>()).nullish(),
});

/**
 * Decodes a message: `content` alone, `parts` alone, or both, in which case the parts count.
 * @throws {AppError} `bad_request` with each wrong field; `too_large` for too long a text.
 */
export function decodeMessage(value: unknown, limits: { chars: number }): DecodedMessage {
  const message = parseField(messageSchema, value, "message");
  const parts = decodeParts(message);
  if (message.role === "user") checkUser(parts, limits.chars);
  const { annotations, metadata } = message;
  const id = message.id || undefined;
  if (message.role === "assistant" && id === undefined) {
    throw invalidMessage([{ field: "message.id", detail: "Expected the id of the answer" }]);
  }
  return {
    id,
    role: message.role,
    parts,
    metadata: { ...metadata, ...(annotations && { annotations }) },
  };
}

type SentMessage = z.infer<typeof messageSchema>;

function decodeParts(
  { role, content, parts: sent, experimental_attachments }: SentMessage,
): Part[] {
  const parts = (sent ?? []).flatMap((part, index) => decodePart(part, `message.parts.${index}`))
    // An empty text of a user says nothing; an answer may hold one, since clients do.
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

function checkUser(parts: Part[], chars: number): void {
  const foreign = parts.findIndex((part) => FOREIGN.has(part.type) || isToolPart(part));
  if (foreign >= 0) {
    const detail = "Expected a part that a user's message can have";
    throw invalidMessage([{ field: `message.parts.${foreign}.type`, detail }]);
  }
  let length = 0;
  for (const part of parts) if (part.type === "text") length += part.text.length;
  if (length > chars) {
    throw new AppError("too_large", "The message is too long", {
      detail: `Expected at most ${chars} characters of text, found ${length}.`,
      validations: [{ field: "message", detail: `Expected at most ${chars} characters` }],
    });
  }
  const said = parts.some((part) =>
    part.type === "file" || (part.type === "text" && part.text.trim() !== "")
  );
  if (!said) throw invalidMessage([{ field: "message", detail: "Expected some text or a file" }]);
}

/** What only answers have. */
const FOREIGN: ReadonlySet<string> = new Set(["reasoning", "source-url", "source-document"]);
