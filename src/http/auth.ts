import { getCookie } from "hono/cookie";
import type { MiddlewareHandler } from "hono";
import { AppError } from "../domain/errors.ts";
import type { Env, HttpParts, RequestContext } from "./context.ts";

/** The header and the cookie that carry a token, as Coder's server has them. */
export const TOKEN_HEADER = "Coder-Session-Token";
export const TOKEN_COOKIE = "coder_session_token";

/** Lets through only requests with a good token, and says who it stands for. */
export function authenticate(
  { authenticator, corsOrigins }: HttpParts,
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

/** A browser sends the cookie for any page: what changes things must come from one of ours. */
function refuseForeignOrigin(c: RequestContext, allowed: readonly string[]): void {
  if (["GET", "HEAD", "OPTIONS"].includes(c.req.method)) return;
  const origin = c.req.header("origin");
  const own = origin !== undefined && URL.canParse(origin) &&
    new URL(origin).host === c.req.header("host");
  if (own || (origin !== undefined && allowed.includes(origin))) return;
  throw new AppError("forbidden", "This origin may not use the session cookie", {
    detail: `Expected an Origin of this server, found ${origin?.slice(0, 200) ?? "none"}.`,
  });
}

function unauthorized(detail: string): AppError {
  return new AppError(
    "unauthorized",
    "You are signed out or your session has expired. Please sign in again to continue.",
    { detail, headers: { "www-authenticate": 'Bearer realm="parley"' } },
  );
}
