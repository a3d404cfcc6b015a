/** `glob` finds files by their paths, `grep` lines by what is in them. */
import type { OpenFile } from "./open_file.ts";
import { isBinary } from "./page.ts";
import { glob, type Pattern, regex } from "./pattern.ts";
import { Problem, shown } from "./problem.ts";
import type { Root } from "./root.ts";
import { Walk } from "./walk.ts";

/** The most of a result: lines, characters of all, and characters of one. */
const MOST = { paths: 1_000, lines: 500, characters: 64 * 1024, line: 500 };

const CHUNK_BYTES = 64 * 1024;

/** The paths that fit a pattern, one a line. @throws {Problem} */
export async function globFiles(
  root: Root,
  { pattern, path }: { pattern: string; path: string },
  signal: AbortSignal,
): Promise<string> {
  const wanted = glob(pattern);
  const walk = new Walk(root, `${path}/${pattern}`, signal);
  const result = new Lines(MOST.paths);
  for await (const found of walk.files(path)) {
    if (!wanted.matches(from(path, found.path))) continue;
    if (!result.add(shown(found.path))) break;
  }
  return result.text("No file has such a path.", walk.reason);
}

/** What to look for, and where. */
export interface Grep {
  pattern: string;
  /** A file or a folder. */
  path: string;
  /** Which files of the folder; without a slash it is about their names alone. */
  glob: string | undefined;
}

/** The lines that match a pattern, as `path:number:line`. @throws {Problem} */
export async function grepFiles(root: Root, query: Grep, signal: AbortSignal): Promise<string> {
  const wanted = regex(query.pattern);
  const only = query.glob === undefined ? undefined : glob(anywhere(query.glob));
  const walk = new Walk(root, `${query.path}/${query.glob ?? ""}`, signal);
  const result = new Lines(MOST.lines);
  const search = { root, wanted, walk, result, chunk: new Uint8Array(CHUNK_BYTES) };
  if (isFolder(root, query.path)) {
    for await (const { path, isFile } of walk.files(query.path)) {
      if (!isFile || only?.matches(from(query.path, path)) === false) continue;
      // A file that is gone by now, or closed to us, is none that matches.
      await grepFile(path, search).catch(unlessProblem);
      if (result.isFull) break;
    }
  } else {
    await grepFile(query.path, search);
  }
  return result.text("No line matches.", walk.reason);
}

function isFolder(root: Root, path: string): boolean {
  const pinned = root.pin(path);
  try {
    return pinned.stat().isDirectory;
  } finally {
    pinned.close();
  }
}

interface Search {
  root: Root;
  wanted: Pattern;
  walk: Walk;
  result: Lines;
  /** For what is read, since to make one for each file takes longer than to read it. */
  chunk: Uint8Array;
}

async function grepFile(path: string, { root, wanted, walk, result, chunk }: Search) {
  const file = root.open(path);
  try {
    for await (const { text, number, isCut } of linesOf(file, wanted.longest, chunk)) {
      if (!await walk.goesOn()) return;
      if (isCut) result.note("Of very long lines only the beginning was searched");
      if (wanted.matches(text) && !result.add(`${shown(path)}:${number}:${brief(text)}`)) return;
    }
  } finally {
    file.close();
  }
}

/** The lines of a file, none of a binary one. Of a long line it gives the first `longest` characters. */
async function* linesOf(file: OpenFile, longest: number, chunk: Uint8Array) {
  const decoder = new TextDecoder();
  let [rest, isCut, number] = ["", false, 0];
  for (let position = 0;;) {
    const bytesRead = await file.read(chunk, position);
    const isLast = bytesRead < chunk.length;
    const bytes = chunk.subarray(0, bytesRead);
    if (isBinary(bytes)) return;
    position += bytesRead;
    const parts = decoder.decode(bytes, { stream: !isLast }).split("\n");
    for (const [index, part] of parts.entries()) {
      const line = rest.length < longest ? rest + part : rest;
      isCut ||= line.length > longest || rest.length + part.length > longest;
      rest = line.slice(0, longest);
      if (index === parts.length - 1) break;
      yield { text: rest.replace(/\r$/, ""), number: ++number, isCut };
      [rest, isCut] = ["", false];
    }
    if (!isLast) continue;
    if (rest !== "") yield { text: rest, number: ++number, isCut };
    return;
  }
}

/** The lines of a result, within bounds. */
class Lines {
  readonly #lines: string[] = [];
  readonly #most: number;
  readonly #notes = new Set<string>();
  #characters = 0;
  isFull = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** False if there is no space for more. */
  add(line: string): boolean {
    this.#characters += line.length + 1;
    this.isFull = this.#lines.length === this.#most || this.#characters > MOST.characters;
    if (this.isFull) this.note(`There is more than these ${this.#lines.length}: narrow the search`);
    else this.#lines.push(line);
    return !this.isFull;
  }

  note(sentence: string): void {
    this.#notes.add(sentence);
  }

  text(ifNone: string, reason: string | undefined): string {
    if (reason !== undefined) this.note(reason);
    const lines = this.#lines.length === 0 ? [`[${ifNone}]`] : this.#lines;
    return [...lines, ...[...this.#notes].map((note) => `[${note}.]`)].join("\n");
  }
}

function from(folder: string, path: string): string {
  return folder === "" ? path : path.slice(folder.replace(/\/$/, "").length + 1);
}

function anywhere(pattern: string): string {
  return pattern.includes("/") ? pattern : `**/${pattern}`;
}

function brief(line: string): string {
  return line.length > MOST.line ? `${line.slice(0, MOST.line)}…` : line;
}

function unlessProblem(error: unknown): void {
  if (!(error instanceof Problem)) throw error;
}
