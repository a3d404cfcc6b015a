/** From what a server answers to what a model gets. */
import type { CallToolResult, ContentBlock } from "@modelcontextprotocol/client";
import { deepField, type Json, MAX_DEPTH } from "../../domain/json.ts";
import type { ToolFile, ToolResult } from "../../domain/tool.ts";

const MIB = 1024 * 1024;

/** The most of a result that the model is given, in bytes: many results have to fit into a prompt. */
const MAX_TEXT = MIB / 8;
/** The most that the files of a result may have together, in bytes, and how many there may be. */
const MAX_FILES_BYTES = 16 * MIB;
const MAX_FILES = 20;

/** The result of a call: texts as one text, anything else as JSON, and files beside it. */
export function toolResult(result: CallToolResult): ToolResult {
  const texts = result.content.flatMap((block) => block.type === "text" ? [block.text] : []);
  if (result.isError) {
    const { text } = cut(texts.join("\n").toWellFormed());
    return { errorText: text.trim() || "The tool failed, and did not say why." };
  }
  const files = new Files();
  const isText = texts.length === result.content.length && result.structuredContent === undefined;
  const output: Json = isText ? texts.join("\n").toWellFormed() : {
    content: result.content.map((block) => blockOutput(block, files)),
    ...result.structuredContent !== undefined && {
      structuredContent: result.structuredContent as Json,
    },
  };
  if (deepField(output) !== undefined) {
    return { errorText: `The result is nested deeper than ${MAX_DEPTH} levels.` };
  }
  const bounded = withinText(output, files);
  return { output: bounded, ...files.all.length > 0 && { files: files.all } };
}

function blockOutput(block: ContentBlock, files: Files): Json {
  switch (block.type) {
    case "image":
    case "audio":
      return files.add(block.data, block.mimeType, `${block.type}-${files.all.length + 1}`);
    case "resource": {
      const { resource } = block;
      if (!("blob" in resource)) break;
      return {
        ...files.add(resource.blob, resource.mimeType, nameIn(resource.uri)),
        uri: resource.uri,
      };
    }
  }
  return block as unknown as Json;
}

/** The last name in the path of a URI. */
function nameIn(uri: string): string {
  const name = (URL.parse(uri)?.pathname ?? uri).split("/").findLast(Boolean) ?? "resource";
  return name.replace(/[^\w.-]/g, "_").slice(-100);
}

/** The files of one result. */
class Files {
  readonly all: ToolFile[] = [];
  #bytes = 0;

  /** Takes a file in base64, and gives what the model is told of it. */
  add(base64: string, type: string | undefined, name: string): { [key: string]: Json } {
    const mediaType = /^[\w.+-]+\/[\w.+-]+$/.exec(type ?? "")?.[0] ?? "application/octet-stream";
    const filename = /\.\w+$/.test(name) ? name : `${name}${extensionOf(mediaType)}`;
    const note = { type: "file", mediaType, filename };
    // Four characters are three bytes.
    if (!this.#hasRoom(base64.length * 3 / 4)) {
      return { ...note, error: "Left out: it is too large." };
    }
    this.#keep({ mediaType, filename, bytes: Uint8Array.fromBase64(base64) });
    return note;
  }

  /** Takes a text, and gives its file's name; undefined if there is no room. */
  addText(text: string, mediaType: string, filename: string): string | undefined {
    const bytes = new TextEncoder().encode(text);
    if (!this.#hasRoom(bytes.length)) return undefined;
    this.#keep({ mediaType, filename, bytes });
    return filename;
  }

  #hasRoom(bytes: number): boolean {
    return this.#bytes + bytes <= MAX_FILES_BYTES && this.all.length < MAX_FILES;
  }

  #keep(file: ToolFile): void {
    this.all.push(file);
    this.#bytes += file.bytes.length;
  }
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  "audio/mpeg": ".mp3",
  "image/svg+xml": ".svg",
  "text/plain": ".txt",
};

function extensionOf(mediaType: string): string {
  const [, subtype = ""] = /\/([a-z0-9]{2,5})$/.exec(mediaType) ?? [];
  return EXTENSIONS[mediaType] ?? (subtype && `.${subtype}`);
}

/** The output, or its beginning with a note, and then the whole as a file. */
function withinText(output: Json, files: Files): Json {
  const isText = typeof output === "string";
  const whole = isText ? output : JSON.stringify(output);
  const { text, bytes } = cut(whole);
  if (text === whole) return output;
  const file = isText
    ? files.addText(whole, "text/plain", "result.txt")
    : files.addText(whole, "application/json", "result.json");
  const where = file === undefined ? "the rest is lost" : `all of it is in the file ${file}`;
  return `${text}\n\n[Cut: this is the first MiB of ${bytes} bytes; ${where}.]`;
}

/** The beginning of a text of at most `MAX_TEXT` bytes, and the bytes of the whole. */
function cut(whole: string): { text: string; bytes: number } {
  // A character has at most three bytes for each of its units.
  if (whole.length * 3 <= MAX_TEXT) return { text: whole, bytes: whole.length };
  const encoded = new TextEncoder().encode(whole);
  if (encoded.length <= MAX_TEXT) return { text: whole, bytes: encoded.length };
  const text = new TextDecoder().decode(encoded.subarray(0, MAX_TEXT), { stream: true });
  return { text, bytes: encoded.length };
}
