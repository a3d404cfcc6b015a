import { getCookie } from "hono/cookie";
import type { MiddlewareHandler } from "hono";
import type { Env, HttpParts, RequestContext } from "./context.ts";
import { HttpError } from "./failure.ts";

/** The header and the cookie for a token, as on Coder's server. */
export const TOKEN_HEADER = "Coder-Session-Token";
export const TOKEN_COOKIE = "coder_session_token";

/** What a client hears that is no longer signed in, in Coder's words. */
export const SIGNED_OUT =
  "You are signed out or your session has expired. Please sign in again to continue.";

/** Refuses requests without a valid token, and sets the token's user. */
export function authenticate(
  { authenticator, corsOrigins }: Pick<HttpParts, "authenticator" | "corsOrigins">,
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const found = findToken(c);
    if (!found) {
      throw unauthorized(
        `Expected a token in the header ${TOKEN_HEADER}, as Authorization: Bearer, ` +
          `or in the cookie ${TOKEN_COOKIE}.`,
      );
    }
    const principal = await authenticator.authenticate(found.token);
    if (!principal) throw unauthorized("The token is unknown, expired or revoked.");
    if (found.fromCookie) refuseForeignOrigin(c, corsOrigins);
    c.set("principal", principal);
    c.set("isSignedIn", async () => {
      const now = await authenticator.authenticate(found.token).catch(() => principal);
      return now?.id === principal.id;
    });
    await next();
  };
}

function findToken(c: RequestContext): { token: string; fromCookie: boolean } | undefined {
  const header = c.req.header(TOKEN_HEADER) ??
    /^Bearer\s+(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (header) return { token: header, fromCookie: false };
  const cookie = getCookie(c, TOKEN_COOKIE);
  return cookie ? { token: cookie, fromCookie: true } : undefined;
}

/** The host and port of a request's URL: over HTTP/2, what the client gave as `:authority`. */
export function authorityOf(c: RequestContext): string {
  // A Host that is none makes a URL that cannot be parsed.
  return /^\w+:\/\/([^/?#]*)/.exec(c.req.url)?.[1] ?? "";
}

/** Browsers send the cookie from any page, so a change must come from an allowed origin. */
function refuseForeignOrigin(c: RequestContext, allowed: readonly string[]): void {
  if (["GET", "HEAD", "OPTIONS"].includes(c.req.method)) return;
  const origin = c.req.header("origin");
  const own = origin !== undefined && URL.canParse(origin) &&
    new URL(origin).host === (c.req.header("host") ?? authorityOf(c));
  if (own || (origin !== undefined && allowed.includes(origin))) return;
  throw new HttpError(403, "This origin may not use the session cookie", {
    detail: `Expected an Origin of this server, found ${origin?.slice(0, 200) ?? "none"}.`,
  });
}

function unauthorized(detail: string): HttpError {
  const headers = { "www-authenticate": 'Bearer realm="parley"' };
  return new HttpError(401, SIGNED_OUT, { detail, headers });
}
