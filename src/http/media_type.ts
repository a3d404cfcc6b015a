import { Pauses } from "../domain/pauses.ts";

/** How much of a file is looked at in one turn, and for its type at all, in bytes. */
const SNIFFED = 1024 * 1024;

/**
 * The media type, detected from a file's bytes. Text of any kind is `text/plain`, so that a browser
 * never runs an uploaded file.
 */
export async function mediaTypeOf(bytes: Uint8Array): Promise<string> {
  const { fileTypeFromBuffer } = await import("file-type");
  const known = await fileTypeFromBuffer(bytes.subarray(0, SNIFFED));
  // Any kind of XML may contain a script.
  if (known && !/xml|html|svg/.test(known.mime)) return known.mime;
  return await isText(bytes) ? "text/plain" : "application/octet-stream";
}

/** True for UTF-8 without NUL. */
async function isText(bytes: Uint8Array): Promise<boolean> {
  const pauses = new Pauses();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    for (let at = 0; at < bytes.length; at += SNIFFED) {
      const isLast = at + SNIFFED >= bytes.length;
      const text = decoder.decode(bytes.subarray(at, at + SNIFFED), { stream: !isLast });
      if (text.includes("\0")) return false;
      await pauses.next();
    }
    return true;
  } catch {
    return false;
  }
}
