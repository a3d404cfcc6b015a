import { AppError } from "../domain/errors.ts";
import { type ChatFile, filePath } from "../domain/file.ts";
import { readBytes } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts, RequestContext } from "./context.ts";
import { notFound } from "./failure.ts";

/** How many files a chat may have. */
const LIMIT = 1_000;

/** What a browser may show in place; it saves anything else. */
const SHOWN: ReadonlySet<string> = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "application/pdf",
  "text/plain",
]);

/** Giving files to a chat, and reading them. */
export function fileRoutes(app: App, parts: HttpParts): void {
  const { files, ids, clock } = parts;

  app.post("/api/v2/chats/:chat/files", async (c) => {
    const chat = await ownChat(c, parts);
    const { bytes, filename } = await readUpload(c, parts);
    if (bytes.length === 0) throw invalid("Expected a file, found none");
    const { sniff } = await import("./sniff.ts");
    const file: ChatFile = {
      id: ids.uuid(),
      chatId: chat.id,
      ownerId: chat.ownerId,
      mediaType: await sniff(bytes),
      filename,
      size: bytes.length,
      createdAt: clock.now(),
    };
    if (!await files.add(file, bytes, LIMIT)) {
      throw new AppError("conflict", "The chat has too many files", {
        detail: `${LIMIT} are the most.`,
      });
    }
    c.header("location", filePath(file));
    return c.json(fileJson(file), 201);
  });

  app.get("/api/v2/chats/:chat/files/:file", async (c) => {
    const chat = await ownChat(c, parts);
    const file = await files.find(chat.ownerId, c.req.param("file"));
    if (file?.chatId !== chat.id) throw notFound();
    const etag = `"${file.id}"`;
    const headers = {
      etag,
      "content-type": file.mediaType === "text/plain"
        ? "text/plain; charset=utf-8"
        : file.mediaType,
      "content-disposition": disposition(file),
      "content-security-policy": "default-src 'none'; sandbox",
      "cache-control": "private, max-age=31536000, immutable",
    };
    if (c.req.header("if-none-match") === etag) return c.body(null, 304, headers);
    const found = await files.read(chat.ownerId, file.id);
    if (!found) throw notFound();
    return c.body(new Uint8Array(found.bytes), 200, headers);
  });
}

/** A form with a `file`, or the file itself as the body with `?filename=`. */
async function readUpload(
  c: RequestContext,
  { limits }: HttpParts,
): Promise<{ bytes: Uint8Array; filename: string | null }> {
  const type = c.req.header("content-type") ?? "";
  const bytes = await readBytes(c.req.raw, limits.fileBytes);
  if (!type.toLowerCase().startsWith("multipart/form-data")) {
    return { bytes, filename: cleanName(c.req.query("filename")) };
  }
  const form = await new Response(new Uint8Array(bytes), { headers: { "content-type": type } })
    .formData().catch(() => undefined);
  const file = form?.get("file");
  if (!(file instanceof File)) throw invalid('Expected a form with a file named "file"');
  return { bytes: new Uint8Array(await file.arrayBuffer()), filename: cleanName(file.name) };
}

/** A name without folders and without what could end a header. */
function cleanName(name: string | undefined): string | null {
  const clean = (name ?? "").toWellFormed().replace(/^.*[/\\]/, "")
    // deno-lint-ignore no-control-regex
    .replace(/[\u0000-\u001f\u007f"]/g, "").trim().slice(0, 200);
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

function fileJson(file: ChatFile) {
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
  return new AppError("bad_request", "Failed to read the file", {
    detail,
    validations: [{ field: "file", detail }],
  });
}
