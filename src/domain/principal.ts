import { createHash } from "node:crypto";

/** The user a token belongs to. */
export interface Principal {
  /** A UUID: a Coder user's own, or one derived from a local user's name. */
  id: string;
  username: string;
}

/** The same everywhere, so that a name gives the same id on every machine. */
const NAMESPACE = "a2f1c1f4-6f0e-4a53-9d43-3f6f1f0b7c55";

/** The local user with that name. The id is a version 5 UUID of the name. */
export function localPrincipal(username: string): Principal {
  const hash = createHash("sha1")
    .update(new Uint8Array(NAMESPACE.replaceAll("-", "").match(/../g)!.map((x) => parseInt(x, 16))))
    .update(username)
    .digest();
  hash[6] = (hash[6]! & 0x0f) | 0x50;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  const hex = hash.subarray(0, 16).toString("hex");
  return {
    id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
    username,
  };
}

/** Finds the user a token belongs to. */
export interface Authenticator {
  /**
   * Resolves to the principal, or undefined if the token is invalid.
   * @throws {AppError} `bad_gateway` if the Coder deployment cannot check the token.
   */
  authenticate(token: string): Promise<Principal | undefined>;
}
