/** The line to a remote database. */

/** Why a remote database did not answer. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";

  /** `refused`: it does not take the token. `unreachable`: it answers nothing of use. */
  constructor(readonly kind: "refused" | "unreachable", reason: string, cause?: unknown) {
    super(reason, { cause });
  }
}

/** For how long an answer is waited for, in milliseconds: a line may be dead without a word. */
const PATIENCE = 10_000;

/** The `fetch` that a remote database is asked by. @throws {RemoteError} where it does not answer. */
export async function remoteFetch(request: Request): Promise<Response> {
  let response: Response;
  let body: ArrayBuffer;
  try {
    response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE) });
    body = await response.arrayBuffer();
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === "TimeoutError";
    const reason = isLate ? `no answer for ${PATIENCE / 1000} s` : "the connection failed";
    throw new RemoteError("unreachable", reason, error);
  }
  const { status, headers } = response;
  if (status === 401 || status === 403) throw new RemoteError("refused", `status ${status}`);
  if (status === 429 || status >= 500) throw new RemoteError("unreachable", `status ${status}`);
  return new Response(body, { status, headers });
}

/** The `RemoteError` that an error is, or that it was caused by. */
export function remoteCause(error: unknown): RemoteError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RemoteError) return cause;
  }
  return undefined;
}
