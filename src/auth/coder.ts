import { z } from "zod";
import type { Clock } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import { sha256 } from "../domain/hash.ts";
import type { Authenticator, Principal } from "../domain/principal.ts";
import { ask } from "../net/ask.ts";
import { readJson } from "../net/read.ts";
import { troubleIn, unreachable } from "../net/trouble.ts";

/** How long a valid token stays cached, in milliseconds. */
const TTL = 60_000;

/** The most tokens to cache. */
const CAPACITY = 10_000;

/** How long the deployment may take to answer, in milliseconds. */
const PATIENCE = 10_000;

/** The longest answer about a user, in bytes. */
const MAX_USER = 256 * 1024;

const userSchema = z.object({ id: z.string().min(1), username: z.string().min(1) });

/** Asks a Coder deployment for the user of a session token. Caches hashes of valid ones for a minute. */
export function coderAuthenticator(coderUrl: string, clock: Clock): Authenticator {
  const known = new Map<string, { principal: Principal; until: number }>();
  /** The questions on their way: all streams of a user ask at about the same time. */
  const asked = new Map<string, Promise<Principal | undefined>>();
  const askFor = async (token: string, hash: string) => {
    try {
      const principal = await askUser(coderUrl, token);
      if (principal) {
        known.set(hash, { principal, until: clock.elapsed() + TTL });
        if (known.size > CAPACITY) known.delete(known.keys().next().value!);
      }
      return principal;
    } finally {
      asked.delete(hash);
    }
  };
  return {
    async authenticate(token) {
      const hash = sha256(token);
      const cached = known.get(hash);
      if (cached && cached.until > clock.elapsed()) return cached.principal;
      known.delete(hash);
      const asking = asked.get(hash) ?? askFor(token, hash);
      asked.set(hash, asking);
      return await asking;
    },
  };
}

async function askUser(coderUrl: string, token: string): Promise<Principal | undefined> {
  try {
    const response = await ask(`${coderUrl}/api/v2/users/me`, {
      headers: { "coder-session-token": token, accept: "application/json" },
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.ok) return userSchema.parse(await readJson(response, MAX_USER));
    response.body?.cancel().catch(() => {});
    if (response.status === 401 || response.status === 403) return undefined;
    throw unchecked(`It answered ${response.status}.`);
  } catch (error) {
    if (error instanceof AppError) throw error;
    const trouble = troubleIn(error) ?? (isForeign(error) ? undefined : unreachable(error));
    throw unchecked(`It ${trouble?.message ?? "does not answer as a Coder server does"}.`, error);
  }
}

/** True for an answer that is not that of a Coder server. */
function isForeign(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof z.ZodError;
}

function unchecked(detail: string, cause?: unknown): AppError {
  return new AppError("bad_gateway", "Cannot check this token with the Coder deployment", {
    detail,
    cause,
  });
}
