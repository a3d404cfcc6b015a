import { fileTypeFromBuffer } from "file-type";

/**
 * The media type that a file's bytes tell. Text of any kind is `text/plain`, so that no browser ever
 * runs what a user uploaded.
 */
export async function sniff(bytes: Uint8Array): Promise<string> {
  const known = await fileTypeFromBuffer(bytes);
  // XML of any kind may hold a script.
  if (known && !/xml|html|svg/.test(known.mime)) return known.mime;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? "application/octet-stream" : "text/plain";
  } catch {
    return "application/octet-stream";
  }
}
