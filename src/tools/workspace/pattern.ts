/** Patterns of the model: they are matched in linear time, since one that backtracks would stop the server. */
import { RE2JS } from "re2js";
import { Problem } from "./problem.ts";

/** What a pattern may have: characters, classes of Unicode, which are large, repeats in all, and states. */
const MOST = { characters: 1_000, classes: 10, repeats: 1_000, states: 1_000 };

/** Patterns of more states than this are slow at their first long text. */
const SIMPLE = 100;

/** A pattern that was compiled. */
export interface Pattern {
  matches(text: string): boolean;
  /** How many characters of a text can be searched without keeping the event loop. */
  readonly longest: number;
}

/** A regular expression in the syntax of RE2. @throws {Problem} */
export function regex(pattern: string): Pattern {
  return compiled(pattern, "pattern");
}

/**
 * A glob pattern for paths without a leading slash: `*`, `?`, `**`, `[a-z]`, `[!a-z]` and `{a,b}`.
 * @throws {Problem}
 */
export function glob(pattern: string): Pattern {
  return compiled(`(?s)^(?:${globSource(pattern)})$`, "glob pattern");
}

function compiled(source: string, what: string): Pattern {
  if (source.length > MOST.characters || (source.match(/\\p/gi)?.length ?? 0) > MOST.classes) {
    throw new Problem(`The ${what} is too long`);
  }
  // Before it is compiled, since that takes a second for 100,000 states.
  if (repeatsIn(source) > MOST.repeats) throw new Problem(`The ${what} is too complex`);
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(RE2JS.translateRegExp(source));
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : "";
    throw new Problem(
      `The ${what} is not valid: ${reason} (the syntax is RE2's, without lookaround and back references)`,
    );
  }
  const states = regex.programSize();
  if (states > MOST.states) throw new Problem(`The ${what} is too complex`);
  return { matches: (text) => regex.test(text), longest: states <= SIMPLE ? 16_384 : 2_048 };
}

function repeatsIn(source: string): number {
  const counts = [...source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].map(([, least, most]) =>
    Math.max(Number(least), Number(most ?? 0))
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The parts of a glob pattern that mean something, longest first. */
const PARTS = /\*\*\/|\*+|\?|\[[!^]?\]?[^\]/]*\]|[{},]|\\.|[^]/gu;

function globSource(pattern: string): string {
  let depth = 0;
  return pattern.replace(/^(\.?\/)+/, "").replace(PARTS, (part) => {
    if (part === "**/") return "(?:[^/]+/)*";
    if (part === "**") return ".*";
    if (part.startsWith("*")) return "[^/]*";
    if (part === "?") return "[^/]";
    if (part === "{") return (depth++, "(?:");
    if (part === "}" && depth > 0) return (depth--, ")");
    if (part === "," && depth > 0) return "|";
    if (part.length > 1 && part.startsWith("[")) return classSource(part);
    return literal(part.length > 1 && part.startsWith("\\") ? part.slice(1) : part);
  });
}

function classSource(part: string): string {
  const isNot = /^\[[!^]/.test(part);
  const members = part.slice(isNot ? 2 : 1, -1).replace(/[\\[\]^&~]/g, "\\$&");
  return `[${isNot ? "^/" : ""}${members}]`;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
