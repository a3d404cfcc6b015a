/** Replaces a text in a file by another. */
import { type StructuredPatch, structuredPatch } from "diff";
import { asProblem, Problem, shown } from "./problem.ts";
import type { Root } from "./root.ts";
import { MOST_BYTES, presentFile, refuseLarge, replaceFile } from "./write.ts";

/** What to replace by what. */
export interface Edit {
  path: string;
  oldText: string;
  newText: string;
  /** Everywhere, not in one place. */
  everywhere: boolean;
}

/** What has changed. */
export interface Edited {
  message: string;
  /** A unified diff. */
  diff: string;
}

/** Lines around a change, the most characters of a diff, of the texts compared for it, and changed lines. */
const DIFF = { context: 3, characters: 16 * 1024, compared: 256 * 1024, edits: 300 };

/** @throws {Problem} if the text is not there, or in several places. */
export async function editFile(root: Root, edit: Edit): Promise<Edited> {
  const { path, oldText, newText } = edit;
  if (oldText === "") throw new Problem("old_string is empty: use write for a new file");
  if (oldText === newText) throw new Problem("old_string and new_string are the same");
  const before = presentFile(root, path);
  if (before === undefined) throw new Problem(`${shown(path)}: there is no such file or folder`);
  const text = await textOf(root, path);
  const { changed, count, first, last } = replaced(text, edit);
  const bytes = new TextEncoder().encode(changed);
  refuseLarge(bytes);
  await replaceFile(root, path, bytes, before);
  const places = count === 1 ? "one place" : `${count} places`;
  return {
    message: `Edited ${shown(path)} in ${places}.`,
    diff: await unifiedDiff(path, text, changed, first, last),
  };
}

async function textOf(root: Root, path: string): Promise<string> {
  const file = root.open(path);
  try {
    const { size } = file.stat();
    if (size > MOST_BYTES) {
      throw new Problem(`${shown(path)}: only files up to 1 MiB can be edited`);
    }
    const bytes = new Uint8Array(MOST_BYTES + 1);
    const read = await file.read(bytes, 0);
    // A byte order mark stays in the text, and so in the file.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes.subarray(0, read));
  } catch (error) {
    if (error instanceof TypeError) throw new Problem(`${shown(path)}: it is not UTF-8`);
    throw asProblem(error, path);
  } finally {
    file.close();
  }
}

function replaced(text: string, { path, everywhere, ...edit }: Edit) {
  const isCrlf = text.includes("\r\n") && !/(^|[^\r])\n/.test(text);
  const [oldText, newText] = [edit.oldText, edit.newText].map((part) =>
    // A model gives line feeds for any line end.
    isCrlf ? part.replace(/\r?\n/g, "\r\n") : part
  ) as [string, string];
  const first = text.indexOf(oldText);
  if (first < 0) throw new Problem(`${shown(path)}: old_string is not in it`);
  const count = text.split(oldText).length - 1;
  // One may begin inside another: then one is not what was meant either.
  if (!everywhere && text.indexOf(oldText, first + 1) >= 0) {
    const places = countOf(text, oldText);
    throw new Problem(
      `${shown(path)}: old_string is in it ${places} times; give more of the lines around it, ` +
        "or replace_all",
    );
  }
  const changed = text.split(oldText).join(newText);
  return { changed, count, first, last: text.lastIndexOf(oldText) + oldText.length };
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + 1)) count++;
  return count;
}

/** The diff of the lines between the first change and the last, since to compare all takes long. */
async function unifiedDiff(
  path: string,
  before: string,
  after: string,
  first: number,
  last: number,
) {
  const start = linesBack(before, first);
  const tail = before.length - linesOn(before, last);
  const [a, b] = [
    before.slice(start, before.length - tail),
    after.slice(start, after.length - tail),
  ];
  const skipped = before.slice(0, start).split("\n").length - 1;
  const isLarge = a.length + b.length > DIFF.compared;
  const patch = isLarge ? undefined : await patchOf(path, a, b);
  if (!patch) return "[The change is too large to be shown.]";
  const hunks = patch.hunks.map(({ oldStart, oldLines, newStart, newLines, lines }) => {
    const head = `@@ -${oldStart + skipped},${oldLines} +${newStart + skipped},${newLines} @@`;
    return [head, ...lines].join("\n");
  });
  const diff = [`--- ${shown(path)}`, `+++ ${shown(path)}`, ...hunks].join("\n");
  return diff.length > DIFF.characters
    ? `${diff.slice(0, DIFF.characters)}\n[The rest of the diff is left out.]`
    : diff;
}

/** Undefined if too much has changed. With a callback it is made in turns. */
function patchOf(path: string, before: string, after: string) {
  const { context, edits: maxEditLength } = DIFF;
  return new Promise<StructuredPatch | undefined>((callback) => {
    structuredPatch(path, path, before, after, undefined, undefined, {
      context,
      maxEditLength,
      callback,
    });
  });
}

/** Where the line begins that is the context before a position. */
function linesBack(text: string, position: number): number {
  let at = position;
  for (let line = 0; line <= DIFF.context; line++) {
    const newline = at === 0 ? -1 : text.lastIndexOf("\n", at - 1);
    if (newline < 0) return 0;
    at = newline;
  }
  return at + 1;
}

/** Where the line ends that is the context behind a position. */
function linesOn(text: string, position: number): number {
  let at = position;
  for (let line = 0; line <= DIFF.context; line++) {
    const end = text.indexOf("\n", at);
    if (end < 0) return text.length;
    at = end + 1;
  }
  return at;
}
