/** Finds secrets, so that they can be masked. */

/** The password in a URL, or the user without one, and its query's values; as written, and decoded. */
export function secretsIn(text: string): string[] {
  const url = URL.parse(text);
  if (!url) return [];
  const user = url.password || url.username;
  const written = [user, ...url.search.split(/[?&]/).map((pair) => pair.split("=")[1] ?? "")];
  let decoded = user;
  try {
    decoded = decodeURIComponent(user);
  } catch {
    // It is written as it is.
  }
  return [...written, decoded, ...url.searchParams.values()].filter(Boolean);
}

/** A text that may be a secret: one that is long enough, and is not a path. */
export function mayBeSecret(text: string): boolean {
  return text.length >= 8 && !/^[~.]?(\/[\w.@-]+)+\/?$/.test(text);
}
