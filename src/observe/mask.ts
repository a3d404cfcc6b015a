/** Hides secrets in text about to be logged, stored or sent, and cuts it if it is long. */
export type Mask = (text: string) => string;

/** The most that a mask keeps of a text, in characters: a stack trace. */
const LENGTH = 4_000;

/** All of them take linear time: no two matches of one shape can begin in the same run of text. */
const SHAPES: readonly [RegExp, string][] = [
  // Anything that looks like a key.
  [/\b(sk|pk|rk|key|parley|AIza|xai|gsk)[-_][A-Za-z0-9_*.-]{6,}/g, "[secret]"],
  [/\bAIza[A-Za-z0-9_-]{10,}/g, "[secret]"],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, "$1 [secret]"],
  // The user and the query of a URL may hold secrets; the rest shows where it points.
  [/:\/\/[^\s/"']*@/g, "://"],
];

/** A URL behind its scheme, with its neighbours up to a space. */
const URL_REST = /:\/\/[^\s"']*/g;

/** A mask that hides the given secrets, anything that looks like one, and every URL's query. */
export function createMask(secrets: readonly string[]): Mask {
  const known = secrets.filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length);
  return (text) => {
    let masked = text.length > LENGTH ? cut(text) : text;
    for (const secret of known) masked = masked.replaceAll(secret, "[secret]");
    for (const [shape, replacement] of SHAPES) masked = masked.replace(shape, replacement);
    return masked.replace(URL_REST, (url) => url.replace(/[?#].*/s, ""));
  };
}

/** The beginning of a long text, up to a word's end: half a secret would not be recognized. */
function cut(text: string): string {
  const beginning = text.slice(0, LENGTH);
  const end = Math.max(...[" ", "\n", '"', "'"].map((mark) => beginning.lastIndexOf(mark)));
  return `${beginning.slice(0, end + 1)}… (${text.length} characters)`;
}
