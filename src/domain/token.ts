import { Buffer } from "node:buffer";
import { randomBytes, timingSafeEqual } from "node:crypto";

/** A new secret of 256 random bits, recognisable by its prefix. */
export function newSecret(): string {
  return `parley_${randomBytes(32).toString("base64url")}`;
}

/** Compares two hashes, as text in ASCII, in constant time. */
export function sameHash(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

/** True for a name that a user or a token can have: 1 to 100 characters, no space around them. */
export function isName(text: string): boolean {
  return /^[^\s\p{C}]([^\p{C}]{0,98}[^\s\p{C}])?$/u.test(text);
}
