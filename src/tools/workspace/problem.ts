/** What goes wrong with a call, in words for the model: never an error's own message, which has paths. */

/** A failure that the model is told. */
export class Problem extends Error {
  override readonly name = "Problem";
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of the path is not a folder",
  EISDIR: "it is a folder",
  EEXIST: "it exists already",
  EACCES: "no permission",
  EPERM: "no permission",
  ELOOP: "its symbolic links lead nowhere",
  ENAMETOOLONG: "the path is too long",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk is full",
  EFBIG: "the file would be too large",
  EROFS: "the disk is read-only",
  EMFILE: "too many files are open; try again",
  ENFILE: "too many files are open; try again",
  ENOTEMPTY: "the folder is not empty",
  ETXTBSY: "it is a program that runs",
};

/** An error of the system as a problem with `path`. Other errors stay what they are. */
export function asProblem(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  return new Problem(`${shown(path)}: ${WORDS[code] ?? `it cannot be used (${code})`}`);
}

/** The code of an error of the system, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** The longest path or name that is repeated in full. */
const LONGEST = 300;

/** A path as a line shows it: cut if it is long, quoted if it has characters that would break the line. */
export function shown(path: string): string {
  const cut = path.length > LONGEST ? `${path.slice(0, LONGEST)}…` : path;
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f\u2028\u2029]|^\s|\s$/.test(cut) ? JSON.stringify(cut) : cut;
}
