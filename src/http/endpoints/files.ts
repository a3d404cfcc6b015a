import { z } from "zod";
import type { AppError } from "../../domain/errors.ts";
import { type ChatFile, filePath } from "../../domain/file.ts";
import { badRequest } from "../../wire/validate.ts";
import { release } from "../../domain/bytes.ts";
import { readBytes } from "../body.ts";
import { fileOfForm } from "../form.ts";
import { CHAT_EXAMPLE, idInPath, ownChat, timeSchema } from "../chat.ts";
import type { App, HttpParts, RequestContext } from "../context.ts";
import {
  answer,
  component,
  describe,
  failure,
  header,
  json,
  pathParameter,
  query,
} from "../describe.ts";
import { notFound } from "../failure.ts";
import { notAdded } from "../files.ts";
import { mediaTypeOf } from "../media_type.ts";
import { enterStream, paceOf } from "../pace.ts";
import { pacedBody, sourceOf } from "../paced_body.ts";

/** The types that a browser may display; it saves any other file. */
const SHOWN: ReadonlySet<string> = new Set([
  ...["image/png", "image/jpeg", "image/gif", "image/webp"],
  ...["application/pdf", "text/plain"],
]);

const fileSchema = () =>
  z.object({
    id: z.uuid(),
    url: z.string().meta({ description: "The `url` of a file in a message." }),
    media_type: z.string().meta({
      description: "Detected from the bytes, whatever the client said.",
    }),
    filename: z.string().nullable(),
    size: z.int().min(0).meta({ description: "In bytes." }),
    created_at: timeSchema(),
  }).meta({ id: "File" });

const ID = "0f0bd3f8-6d5e-4b62-9d3a-7f6c3f1f9a55";
const EXAMPLE = {
  id: ID,
  url: filePath({ chatId: CHAT_EXAMPLE.id, id: ID }),
  media_type: "image/png",
  filename: "plan.png",
  size: 48_213,
  created_at: "2026-11-23T09:30:40.000Z",
};

const uploadQuery = z.object({
  filename: z.string().optional().meta({ description: "The file's name, if the body is no form." }),
});

const bytesSchema = { type: "string", format: "binary", minLength: 1 } as const;

const uploadFile = describe({
  operationId: "uploadFile",
  tag: "Files",
  summary: "Upload a file to a chat",
  description: "As a form, or as the body itself. The file is deleted with the chat.",
  requestBody: {
    required: true,
    content: {
      "multipart/form-data": {
        schema: { type: "object", properties: { file: bytesSchema }, required: ["file"] },
      },
      "application/octet-stream": { schema: bytesSchema },
    },
  },
  responses: {
    201: answer("The file.", json(fileSchema, EXAMPLE), {
      Location: header("The path of the file."),
    }),
    409: failure("The chat or the user has as many files as they may have."),
  },
});

const getFile = describe({
  operationId: "getFile",
  tag: "Files",
  summary: "Download a file",
  description:
    "Its type is the one detected from its bytes. A browser saves a file that it could " +
    "run, and does not show it.",
  parameters: [
    pathParameter("file", "The id of a file.", ID, { format: "uuid" }),
    component("parameters", "IfNoneMatch"),
  ],
  responses: {
    200: answer("The file.", { "*/*": { schema: { type: "string", format: "binary" } } }, {
      ETag: component("headers", "ETag"),
      "Content-Disposition": header("Whether to show it, and its name."),
    }),
    304: component("responses", "NotModified"),
  },
});

/** `POST /api/v2/chats/{chat}/files` and `GET /api/v2/chats/{chat}/files/{file}`. */
export function files(app: App, parts: HttpParts): void {
  const { files, ids, clock, limits } = parts;

  app.post("/api/v2/chats/:chat/files", uploadFile, query(uploadQuery), async (c) => {
    const chat = await ownChat(c, parts);
    const { filename } = c.req.valid("query");
    const { bytes, name } = await readUpload(c, parts, filename);
    if (bytes.length === 0) throw invalid("Expected a file, found none");
    const file: ChatFile = {
      id: ids.uuid(),
      chatId: chat.id,
      ownerId: chat.ownerId,
      mediaType: await mediaTypeOf(bytes),
      filename: cleanName(name),
      size: bytes.length,
      createdAt: clock.now(),
    };
    const { filesPerChat: perChat, filesPerUser: perUser } = limits;
    const added = await files.add(file, bytes, { perChat, perUser })
      .finally(() => release(bytes));
    if (added !== "added") throw notAdded(added, parts);
    return c.json(fileJson(file), 201, { location: filePath(file) });
  });

  app.get("/api/v2/chats/:chat/files/:file", getFile, async (c) => {
    const chat = await ownChat(c, parts);
    const [file] = await files.find(chat.ownerId, [idInPath(c, "file")], chat.id);
    if (file?.chatId !== chat.id) throw notFound();
    const etag = `"${file.id}"`;
    const charset = file.mediaType === "text/plain" ? "; charset=utf-8" : "";
    const headers = {
      etag,
      "content-type": file.mediaType + charset,
      "content-disposition": disposition(file),
      "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
      // It never changes, but whoever asks for it must be signed in.
      "cache-control": "private, no-cache",
    };
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, headers);
    const bytes = files.read(file.id)[Symbol.asyncIterator]();
    const pace = paceOf(c, parts, enterStream(c, parts));
    const body = pacedBody(() => sourceOf(bytes, parts.turns), pace);
    return c.body(body, 200, { ...headers, "content-length": String(file.size) });
  });
}

/** A form with a `file`, or the file itself as the body with `?filename=`. */
async function readUpload(
  c: RequestContext,
  parts: HttpParts,
  name: string | undefined,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; name: string | undefined }> {
  const type = c.req.header("content-type") ?? "";
  const bytes = await readBytes(c, parts, parts.limits.fileBytes);
  if (!type.toLowerCase().startsWith("multipart/form-data")) return { bytes, name };
  const file = fileOfForm(bytes, type, "file");
  if (file) return file;
  release(bytes);
  throw invalid('Expected a form with a file named "file"');
}

/** The name without folders, control characters and quotes. */
function cleanName(name: string | undefined): string | null {
  const clean = (name ?? "").slice(-1_000).replace(/^.*[/\\]/, "").replace(/[\p{Cc}"]/gu, "").trim()
    .slice(0, 200).toWellFormed();
  return clean === "" ? null : clean;
}

function disposition({ mediaType, filename }: ChatFile): string {
  const kind = SHOWN.has(mediaType) ? "inline" : "attachment";
  return filename === null
    ? kind
    : `${kind}; filename*=UTF-8''${encodeURIComponent(filename).replace(/['()*]/g, percent)}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function fileJson(file: ChatFile): z.infer<ReturnType<typeof fileSchema>> {
  return {
    id: file.id,
    url: filePath(file),
    media_type: file.mediaType,
    filename: file.filename,
    size: file.size,
    created_at: new Date(file.createdAt).toISOString(),
  };
}

function invalid(detail: string): AppError {
  return badRequest("Failed to read the file", { field: "file", detail });
}
