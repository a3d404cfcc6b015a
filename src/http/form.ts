/** Reads the file out of a form. The runtime's reader takes seconds for a form of many parts. */
import { Buffer } from "node:buffer";

/** The most parts that are looked at, and the longest head of one, in bytes. */
const MAX_PARTS = 100;
const MAX_HEAD = 8 * 1024;

/** The longest content type that is read, in characters. */
const MAX_TYPE = 1_000;

/** A file of a form. */
export interface FormFile {
  bytes: Uint8Array<ArrayBuffer>;
  name: string;
}

/** The first file of a form's field; undefined if there is none, or if it is not a form. */
export function fileOfForm(
  body: Uint8Array<ArrayBuffer>,
  type: string,
  field: string,
): FormFile | undefined {
  const [, quoted, plain] = /;\s{0,9}boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i
    .exec(type.slice(0, MAX_TYPE)) ?? [];
  const mark = `--${quoted ?? plain ?? ""}`;
  if (mark === "--") return undefined;
  const form = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  let at = form.indexOf(mark);
  for (let part = 0; part < MAX_PARTS && at >= 0; part++) {
    const begin = at + mark.length;
    const blank = form.subarray(begin, begin + MAX_HEAD).indexOf("\r\n\r\n");
    if (blank < 0) return undefined;
    const from = begin + blank + 4;
    at = form.indexOf(`\r\n${mark}`, from);
    if (at < 0) return undefined;
    const head = form.subarray(begin, begin + blank).toString("utf8");
    const name = fileName(head, field);
    if (name !== undefined) return { bytes: body.subarray(from, at), name };
    at += 2;
  }
  return undefined;
}

/** The name of the file, if a part's head is that of a file of the field. */
function fileName(head: string, field: string): string | undefined {
  const disposition = head.split("\r\n").find((line) => /^content-disposition:/i.test(line)) ?? "";
  const values = new Map<string, string>();
  for (const [, key, quoted, plain] of disposition.matchAll(PARAMETER)) {
    values.set(key!.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? plain!);
  }
  return values.get("name") === field ? values.get("filename") : undefined;
}

const PARAMETER = /;\s{0,9}(\w{1,20})=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/g;
