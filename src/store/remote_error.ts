/** Why a remote database did not answer. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";

  /**
   * `refused`: the server rejects the token. `unreachable`: it gives no usable answer, so what was
   * asked may be done. `unsent`: it was not asked at all. `row_too_large`: it takes no such row.
   * `missing`: it has no such database.
   */
  constructor(
    readonly kind: "refused" | "unreachable" | "unsent" | "row_too_large" | "missing",
    reason: string,
    cause?: unknown,
  ) {
    super(reason, { cause });
  }
}

/** The `RemoteError` that an error is or was caused by. */
export function remoteCause(error: unknown): RemoteError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RemoteError) return cause;
  }
  return undefined;
}
