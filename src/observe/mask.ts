/** Hides secrets in a text that is about to be logged, stored or sent. */
export type Mask = (text: string) => string;

const SHAPES: readonly [RegExp, string][] = [
  // What looks like a key, whoever it belongs to.
  [/\b(sk|pk|rk|key|parley|AIza|xai|gsk)[-_][A-Za-z0-9_*.-]{6,}/g, "[secret]"],
  [/\bAIza[A-Za-z0-9_-]{10,}/g, "[secret]"],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, "$1 [secret]"],
  // The user and the query of a URL may hold secrets; the rest tells where it went.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, "$1"],
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s?"'#]+)[?#][^\s"']*/gi, "$1"],
];

/** A mask that hides the given secrets, what looks like one, and the query of every URL. */
export function createMask(secrets: readonly string[]): Mask {
  const known = secrets.filter((secret) => secret.length >= 4).sort((a, b) => b.length - a.length);
  return (text) => {
    let masked = text;
    for (const secret of known) masked = masked.replaceAll(secret, "[secret]");
    for (const [shape, replacement] of SHAPES) masked = masked.replace(shape, replacement);
    return masked;
  };
}
