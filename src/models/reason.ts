import { isJsonObject, type Json } from "../domain/json.ts";

/** The longest reason, in characters. */
const LENGTH = 500;

/** How deep an error's object is searched. */
const DEPTH = 5;

/** Where services put the words of an error, the most telling first. */
const KEYS = [
  "message",
  "error",
  "detail",
  "details",
  "error_description",
  "errors",
  "msg",
  "reason",
  "description",
  "title",
];

/** What a provider says is wrong, in a line of its own words: "" if it says nothing. */
export function reasonIn(body: string): string {
  try {
    return line(reasonOf(JSON.parse(body)));
  } catch {
    return line(/^\s*</.test(body) ? pageText(body) : body);
  }
}

/** The same, of an error's object. */
export function reasonOf(error: Json | undefined, depth = DEPTH): string {
  if (typeof error === "string") return line(error);
  if (depth === 0 || typeof error !== "object" || error === null) return "";
  if (!isJsonObject(error)) {
    return error.slice(0, DEPTH).map((item) => reasonOf(item, depth - 1)).filter(Boolean).join(
      "; ",
    );
  }
  const said = KEYS.map((key) => reasonOf(error[key], depth - 1)).find(Boolean) ?? "";
  // A gateway has the words of the service behind it in a text of JSON.
  const { metadata } = error;
  const raw = isJsonObject(metadata) && typeof metadata["raw"] === "string" ? metadata["raw"] : "";
  const behind = raw === "" ? "" : reasonIn(raw);
  return [said, behind === said ? "" : behind].filter(Boolean).join(": ");
}

/** The title of a page, or else its text. */
function pageText(page: string): string {
  const start = page.slice(0, 4 * LENGTH);
  const from = start.search(/<title[^>]{0,200}>/i);
  const title = from < 0 ? "" : start.slice(start.indexOf(">", from) + 1).split("<", 1)[0]!;
  return line(title) || start.replaceAll(/<[^<>]*>/g, " ");
}

function line(text: string): string {
  // deno-lint-ignore no-control-regex -- what would break a line of the log
  return text.slice(0, 2 * LENGTH).toWellFormed().replaceAll(/[\s\x00-\x1f\x7f-\x9f]+/g, " ")
    .trim().slice(0, LENGTH);
}
