import { sha256 } from "../domain/hash.ts";
import { type Authenticator, localPrincipal } from "../domain/principal.ts";
import { sameHash } from "../domain/token.ts";

/** Authenticates by the tokens in the configuration, keyed by user name. */
export function staticAuthenticator(tokens: Record<string, string>): Authenticator {
  const users = Object.entries(tokens).map(([username, secret]) => ({
    hash: sha256(secret),
    principal: localPrincipal(username),
  }));
  return {
    authenticate(token) {
      const hash = sha256(token);
      return Promise.resolve(users.find((user) => sameHash(user.hash, hash))?.principal);
    },
  };
}

/** Tries the authenticators in order until one recognizes the token. */
export function firstOf(authenticators: readonly Authenticator[]): Authenticator {
  return {
    async authenticate(token) {
      for (const authenticator of authenticators) {
        const principal = await authenticator.authenticate(token);
        if (principal) return principal;
      }
      return undefined;
    },
  };
}
