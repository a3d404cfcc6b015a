import { type Authenticator, localPrincipal } from "../domain/principal.ts";
import { hashToken, sameHash } from "../domain/token.ts";

/** The tokens that the configuration gives, by user name. */
export function staticAuthenticator(tokens: Record<string, string>): Authenticator {
  const users = Object.entries(tokens).map(([username, secret]) => ({
    hash: hashToken(secret),
    principal: localPrincipal(username),
  }));
  return {
    authenticate(token) {
      const hash = hashToken(token);
      return Promise.resolve(users.find((user) => sameHash(user.hash, hash))?.principal);
    },
  };
}

/** Asks one after the other, until one knows the token. */
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
