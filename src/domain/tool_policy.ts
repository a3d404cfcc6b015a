/** Which calls of tools are allowed, denied, or asked for: pure. */
import type { ToolAction } from "./approval.ts";
import type { JsonObject } from "./json.ts";

/** One rule of the policies. The last one that matches a call counts. */
export interface ToolPolicy {
  /** `SERVER__TOOL` with `*` for anything, and maybe arguments: `workspace__execute(command=git *)`. */
  match: string;
  action: ToolAction;
}

/** A rule, taken apart. */
interface Rule {
  tool: string;
  arguments: readonly (readonly [name: string, pattern: string])[];
  action: ToolAction;
}

/** What the rules say of a call; undefined if none matches. */
export type Policies = (tool: string, input: JsonObject) => ToolAction | undefined;

/** The policies in effect. */
export function policiesOf(policies: readonly ToolPolicy[]): Policies {
  const rules = policies.map(({ match, action }): Rule => ({ ...parseMatch(match)!, action }));
  return (tool, input) => rules.findLast((rule) => matches(rule, tool, input))?.action;
}

function matches(rule: Rule, tool: string, input: JsonObject): boolean {
  return isLike(tool, rule.tool) && rule.arguments.every(([name, pattern]) => {
    const value = Object.hasOwn(input, name) ? input[name] : undefined;
    if (value === undefined) return false;
    return isLike(typeof value === "string" ? value : JSON.stringify(value), pattern);
  });
}

/**
 * The tool and the arguments of a rule; undefined if it is not well formed. Arguments are separated by
 * commas; a comma or parenthesis of a pattern itself follows a backslash.
 */
export function parseMatch(match: string): Omit<Rule, "action"> | undefined {
  const [, tool, list] = /^([\w*-]+)(?:\(([^]*)\))?$/.exec(match) ?? [];
  if (tool === undefined) return undefined;
  const parts = list === undefined ? [] : list.match(/(?:\\[^]|[^\\,])+/g) ?? [];
  const named = parts.map((part) => /^\s*([^=\s]+)\s*=([^]*)$/.exec(part)?.slice(1));
  if (list !== undefined && (named.length === 0 || named.includes(undefined))) return undefined;
  return {
    tool,
    arguments: named.map((pair) => [pair![0]!, pair![1]!.replace(/\\([^])/g, "$1")]),
  };
}

/** True if a text fits a pattern in which `*` stands for anything. */
function isLike(text: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
