/** The README as its tests read it. */

/** A fenced block. */
export interface Block {
  /** What stands behind the fence: `sh`, `jsonc`, … */
  language: string;
  text: string;
  /** The line of the README where the text begins. */
  line: number;
}

/** Where the README is. */
export const README = new URL("../../README.md", import.meta.url).pathname;

/** The fenced blocks, in order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    text: match[2]!,
    line: markdown.slice(0, match.index).split("\n").length + 1,
  }));
}

/**
 * The cells of the table below a heading, without its head; code marks and escapes are taken off.
 * @throws {Error} where there is none.
 */
export function tableBelow(markdown: string, heading: string): string[][] {
  const below = markdown.split(`\n${heading}\n`)[1] ?? "";
  const [table] = /(^\|.*\n)+/m.exec(below) ?? [];
  if (!table) throw new Error(`no table below ${heading}`);
  return rowsOf(table).slice(2);
}

function rowsOf(table: string): string[][] {
  return table.trim().split("\n").map((row) =>
    row.replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) =>
      cell.trim().replaceAll("`", "").replaceAll("\\|", "|")
    )
  );
}
