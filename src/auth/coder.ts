import { z } from "zod";
import type { Clock } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import type { Authenticator, Principal } from "../domain/principal.ts";
import { hashToken } from "../domain/token.ts";

/** How long a good token is believed, in milliseconds. */
const TTL = 60_000;

/** How many good tokens are remembered. */
const CAPACITY = 10_000;

/** How long the deployment may take to answer, in milliseconds. */
const PATIENCE = 10_000;

const userSchema = z.object({ id: z.string().min(1), username: z.string().min(1) });

/**
 * Asks a Coder deployment who a session token belongs to. Good answers are kept for a minute, bad
 * ones not at all; tokens are kept as hashes.
 */
export function coderAuthenticator(coderUrl: string, clock: Clock): Authenticator {
  const known = new Map<string, { principal: Principal; until: number }>();
  return {
    async authenticate(token) {
      const hash = hashToken(token);
      const cached = known.get(hash);
      if (cached && cached.until > clock.now()) return cached.principal;
      known.delete(hash);
      const principal = await ask(coderUrl, token);
      if (principal) {
        known.set(hash, { principal, until: clock.now() + TTL });
        if (known.size > CAPACITY) known.delete(known.keys().next().value!);
      }
      return principal;
    },
  };
}

async function ask(coderUrl: string, token: string): Promise<Principal | undefined> {
  try {
    const response = await fetch(`${coderUrl}/api/v2/users/me`, {
      headers: { "coder-session-token": token, accept: "application/json" },
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.status === 401 || response.status === 403) {
      await response.body?.cancel();
      return undefined;
    }
    if (!response.ok) {
      await response.body?.cancel();
      throw unreachable(`It answered ${response.status}.`);
    }
    const { id, username } = userSchema.parse(await response.json());
    return { id, username };
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw unreachable("It cannot be reached, or its answer is none of a Coder server.", error);
  }
}

function unreachable(detail: string, cause?: unknown): AppError {
  return new AppError("bad_gateway", "The Coder deployment cannot be asked about this token", {
    detail,
    cause,
  });
}
