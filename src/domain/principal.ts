import { createHash } from "node:crypto";

/** Who a token stands for. */
export interface Principal {
  /** A UUID: a Coder user's own, or the one that belongs to a local user's name. */
  id: string;
  username: string;
}

/** Fixed, so that a name means the same owner on every machine. */
const NAMESPACE = "a2f1c1f4-6f0e-4a53-9d43-3f6f1f0b7c55";

/** The local user of that name: its id is the name's version 5 UUID. */
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

/** Tells who a token stands for. */
export interface Authenticator {
  /**
   * Resolves to the principal, or undefined for a token that is not good.
   * @throws {AppError} `bad_gateway` where the deployment that knows cannot be asked.
   */
  authenticate(token: string): Promise<Principal | undefined>;
}
