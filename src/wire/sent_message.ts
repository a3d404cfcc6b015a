/** The message of a request, in the form of any AI SDK generation, to the neutral form. */
import { z } from "zod";
import { AppError, type Validation } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { FilePart, Part } from "../domain/message.ts";

/** A message as a client sent it: without an id where the client gave none. */
export interface DecodedMessage {
  id: string | undefined;
  parts: Part[];
  metadata: JsonObject;
}

/** The longest id of a message, in characters. */
const ID_LENGTH = 200;

const attachmentSchema = z.object({
  name: z.string().max(1_000).nullish(),
  contentType: z.string().max(200).nullish(),
  url: z.string(),
});

const messageSchema = z.object({
  id: z.string().max(ID_LENGTH, `Expected at most ${ID_LENGTH} characters`).nullish(),
  role: z.literal("user", 'Expected "user"'),
  content: z.string().nullish(),
  parts: z.array(z.looseObject({ type: z.string() })).max(1_000).nullish(),
  experimental_attachments: z.array(attachmentSchema).max(100).nullish(),
  annotations: z.array(z.unknown()).max(1_000).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
});

const textSchema = z.object({ type: z.literal("text"), text: z.string() });
const v4FileSchema = z.object({ type: z.literal("file"), mimeType: z.string(), data: z.string() });
const v5FileSchema = z.object({
  type: z.literal("file"),
  mediaType: z.string(),
  url: z.string(),
  filename: z.string().nullish(),
});

/**
 * Decodes a user's message: `content` alone, `parts` alone, or both, in which case the parts count.
 * @throws {AppError} `bad_request` with each wrong field; `too_large` for too long a text.
 */
export function decodeMessage(value: unknown, limits: { chars: number }): DecodedMessage {
  const parsed = messageSchema.safeParse(value);
  if (!parsed.success) {
    throw invalid(
      parsed.error.issues.slice(0, 20).map(({ path, message }) => ({
        field: ["message", ...path].join("."),
        detail: message,
      })),
    );
  }
  const { id, content, parts: sent, experimental_attachments, annotations, metadata } = parsed.data;
  const parts = (sent ?? []).flatMap((part, index) => decodePart(part, `message.parts.${index}`));
  if (!parts.some(({ type }) => type === "text") && content) {
    parts.unshift({ type: "text", text: content });
  }
  (experimental_attachments ?? []).forEach((attachment, index) => {
    parts.push(decodeAttachment(attachment, `message.experimental_attachments.${index}`));
  });
  checkSize(parts, limits.chars);
  return {
    id: id === "" || id === null ? undefined : id,
    parts,
    metadata: {
      ...metadata as JsonObject | null | undefined,
      ...(annotations && { annotations: annotations as JsonObject[] }),
    },
  };
}

function decodePart(part: { type: string }, field: string): Part[] {
  if (part.type === "step-start") return [];
  if (part.type === "text") {
    const { text } = parsePart(textSchema, part, field);
    return text === "" ? [] : [{ type: "text", text }];
  }
  if (part.type === "file") {
    if ("mimeType" in part) {
      const { mimeType, data } = parsePart(v4FileSchema, part, field);
      return [filePart(mimeType, `data:${mimeType};base64,${data}`, undefined, field)];
    }
    const { mediaType, url, filename } = parsePart(v5FileSchema, part, field);
    return [filePart(mediaType, url, filename ?? undefined, field)];
  }
  throw invalid([{ field: `${field}.type`, detail: 'Expected "text" or "file"' }]);
}

function decodeAttachment(
  { name, contentType, url }: z.infer<typeof attachmentSchema>,
  field: string,
): FilePart {
  const sniffed = /^data:([^;,]+)/.exec(url.slice(0, 300))?.[1];
  return filePart(
    contentType ?? sniffed ?? "application/octet-stream",
    url,
    name ?? undefined,
    field,
  );
}

function filePart(
  mediaType: string,
  url: string,
  filename: string | undefined,
  field: string,
): FilePart {
  if (!/^[\w.+-]+\/[\w.+*-]+(;.*)?$/.test(mediaType)) {
    throw invalid([{ field, detail: "Expected a media type such as image/png" }]);
  }
  if (!/^(data:[^,]{0,300};base64,[A-Za-z0-9+/]*={0,2}$|https?:\/\/)/.test(url)) {
    throw invalid([{
      field: `${field}.url`,
      detail: "Expected a base64 data: URL or an http(s) URL",
    }]);
  }
  if (url.startsWith("http") && !URL.canParse(url)) {
    throw invalid([{ field: `${field}.url`, detail: "Expected a valid URL" }]);
  }
  return { type: "file", mediaType, url, ...(filename !== undefined && { filename }) };
}

function parsePart<T>(schema: z.ZodType<T>, part: unknown, field: string): T {
  const parsed = schema.safeParse(part);
  if (parsed.success) return parsed.data;
  throw invalid(parsed.error.issues.map(({ path, message }) => ({
    field: [field, ...path].join("."),
    detail: message,
  })));
}

function checkSize(parts: Part[], chars: number): void {
  let length = 0;
  for (const part of parts) if (part.type === "text") length += part.text.length;
  if (length > chars) {
    throw new AppError("too_large", "The message is too long", {
      detail: `Expected at most ${chars} characters of text, found ${length}.`,
      validations: [{ field: "message", detail: `Expected at most ${chars} characters` }],
    });
  }
  const empty = parts.every((part) => part.type === "text" && part.text.trim() === "");
  if (empty) throw invalid([{ field: "message", detail: "Expected some text or a file" }]);
}

function invalid(validations: Validation[]): AppError {
  const first = validations[0]!;
  return new AppError("bad_request", "Failed to decode chat message", {
    detail: `${first.field}: ${first.detail}`,
    validations,
  });
}
