/** The contents of a base64 `data:` URL; undefined for any other URL. */
export function dataUrl(url: string): { mediaType: string; base64: string } | undefined {
  const match = /^data:([^;,]*)(?:;[^;,]*)*;base64,/.exec(url.slice(0, 300));
  return match ? { mediaType: match[1]!, base64: url.slice(match[0].length) } : undefined;
}
