import { type Client, createClient, type InStatement, type ResultSet } from "@libsql/client";
import type { Driver, Result, Statement } from "./statement.ts";

/** Why a remote database did not answer. */
export class RemoteError extends Error {
  override readonly name = "RemoteError";

  /** `refused`: the server rejects the token. `unreachable`: it gives no usable answer. */
  constructor(readonly kind: "refused" | "unreachable", reason: string, cause?: unknown) {
    super(reason, { cause });
  }
}

/** How long to wait for an answer, in milliseconds: a connection may be dead without a sign. */
const PATIENCE = 10_000;

/** A remote database: Turso, sqld, or any other that speaks Hrana over HTTP. It syncs its own disk. */
export class RemoteDriver implements Driver {
  readonly isDoubtful = false;
  readonly #client: Client;

  constructor(url: string, token: string | undefined) {
    this.#client = createClient({
      url,
      ...(token !== undefined && { authToken: token }),
      fetch: remoteFetch,
      intMode: "number",
    });
  }

  async run(statement: Statement): Promise<Result> {
    return toResult(await this.#client.execute(toRemote(statement)));
  }

  async transact(statements: readonly Statement[]): Promise<Result[]> {
    const [only] = statements.length === 1 ? statements : [];
    // A single statement is a transaction already.
    if (only) return [await this.run(only)];
    return (await this.#client.batch(statements.map(toRemote), "write")).map(toResult);
  }

  async durable(): Promise<void> {}

  close(): Promise<void> {
    return Promise.resolve(this.#client.close());
  }
}

function toRemote({ sql, args }: Statement): InStatement {
  return { sql, args: [...args] };
}

function toResult({ columns, rows, rowsAffected }: ResultSet): Result {
  const values = rows.map((row) => columns.map((_, index) => fromRemote(row[index])));
  return { columns, rows: values, rowsAffected };
}

function fromRemote(value: unknown): unknown {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : value;
}

/** `fetch` for a remote database. @throws {RemoteError} if it does not answer. */
async function remoteFetch(request: Request): Promise<Response> {
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

/** The `RemoteError` that an error is or was caused by. */
export function remoteCause(error: unknown): RemoteError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof RemoteError) return cause;
  }
  return undefined;
}
