/** Patterns without backtracking: a pattern of a client must not stall everybody else. */
import { Pauses } from "../../domain/pauses.ts";
import { type Matcher, SchemaProblem } from "./keywords.ts";

/** What a pattern may have: characters, classes of Unicode, which are large, and states. */
const MOST = { characters: 500, classes: 10, states: 1_000 };

/** How much of that all patterns of a schema may have together, as a multiple. */
const ALL = 5;

/**
 * Compiles patterns, which come with the fields that have them.
 * @throws {SchemaProblem} if one is not a regex of JavaScript, or cannot be matched in linear time.
 */
export async function compilePatterns(
  patterns: ReadonlyMap<string, readonly string[]>,
): Promise<ReadonlyMap<string, Matcher>> {
  const compiled = new Map<string, Matcher>();
  if (patterns.size === 0) return compiled;
  const { RE2JS } = await import("re2js");
  const pauses = new Pauses();
  const sums = { characters: 0, classes: 0, states: 0 };
  for (const [pattern, path] of patterns) {
    const spend = (what: keyof typeof MOST, found: number) => {
      sums[what] += found;
      if (found <= MOST[what] && sums[what] <= ALL * MOST[what]) return;
      const most = `${MOST[what]} ${what} in a pattern, ${ALL * MOST[what]} in all`;
      throw new SchemaProblem(path, `Expected at most ${most}`);
    };
    spend("characters", pattern.length);
    spend("classes", pattern.match(/\\p/gi)?.length ?? 0);
    if (!isPattern(pattern)) throw new SchemaProblem(path, "Expected a regex of JavaScript");
    let matcher: ReturnType<typeof RE2JS.compile>;
    try {
      matcher = RE2JS.compile(RE2JS.translateRegExp(pattern));
    } catch {
      const detail = "Expected a regex without lookaround and back references, as RE2 has them";
      throw new SchemaProblem(path, detail);
    }
    const size = matcher.programSize();
    spend("states", size);
    compiled.set(pattern, { size, matches: (text) => matcher.test(text) });
    await pauses.next();
  }
  return compiled;
}

/** True for a regex of JavaScript, as the standard has them: with the flag `u`, or without. */
function isPattern(pattern: string): boolean {
  return ["u", ""].some((flags) => {
    try {
      return new RegExp(pattern, flags) instanceof RegExp;
    } catch {
      return false;
    }
  });
}
