import { Buffer } from "node:buffer";
import { type Client, createClient, type InStatement, type ResultSet } from "@libsql/client";
import { type Clock, systemClock } from "../domain/clock.ts";
import { patiently } from "../domain/patience.ts";
import { remoteCause, RemoteError } from "./remote_error.ts";
import { type Driver, type Result, type Statement, type Value, WRITE } from "./statement.ts";

/** How long to wait for an answer, in milliseconds: a connection may be dead without a sign. */
const PATIENCE = 10_000;
const SILENCE = `no answer for ${PATIENCE / 1000} s`;

/** The largest row that servers take, in bytes. A statement writes one row, or has rows of one value. */
const MAX_ROW = 5_000_000;

/** For how long a call is tried again that met another writer: a server may be busy for seconds. */
const BUSY_FOR = 8_000;

/** For how long a call is tried again that found no server, in milliseconds: a restart takes less. */
const AWAY_FOR = 1_000;

/**
 * A remote database: Turso, sqld, or any other that speaks Hrana over HTTP. It syncs its own disk. It
 * has one writer at a time, and one that meets another may be refused, or even stop the server for a
 * while: so writes are sent one after the other, and reads beside them.
 */
export class RemoteDriver implements Driver {
  readonly isDoubtful = false;
  readonly #client: Client;
  readonly #clock: Clock;
  /** Settles once the last write that was given has. */
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(url: string, token: string | undefined, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#client = createClient({
      url: folderOf(url),
      ...(token !== undefined && { authToken: token }),
      fetch: remoteFetch,
      intMode: "number",
    });
  }

  run(statement: Statement): Promise<Result> {
    const work = async () => toResult(await this.#client.execute(toRemote(statement)));
    return WRITE.test(statement.sql) ? this.#inTurn(work, false) : this.#try(work, true);
  }

  transact(
    statements: readonly Statement[],
    { repeatable } = { repeatable: false },
  ): Promise<Result[]> {
    const [only] = statements.length === 1 ? statements : [];
    return this.#inTurn(async () => {
      // A single statement is a transaction already.
      if (only) return [toResult(await this.#client.execute(toRemote(only)))];
      return (await this.#client.batch(statements.map(toRemote), "write")).map(toResult);
    }, repeatable);
  }

  async durable(): Promise<void> {}

  close(): Promise<void> {
    return Promise.resolve(this.#client.close());
  }

  /** What a write gives once those before it have settled. */
  #inTurn<T>(work: () => Promise<T>, repeatable: boolean): Promise<T> {
    const begun = this.#clock.elapsed();
    const written = this.#lastWrite.then(() => {
      // Its sender has no patience left, and those behind it some.
      if (this.#clock.elapsed() - begun > PATIENCE) throw new RemoteError("unsent", SILENCE);
      return this.#try(work, repeatable, begun);
    });
    this.#lastWrite = written.catch(() => {});
    return written;
  }

  #try<T>(
    work: () => Promise<T>,
    repeatable: boolean,
    begun = this.#clock.elapsed(),
  ): Promise<T> {
    const until = (error: unknown) => {
      const kind = remoteCause(error)?.kind;
      if (kind === "unsent" || (kind === "unreachable" && repeatable)) return begun + AWAY_FOR;
      return isBusy(error) ? begun + BUSY_FOR : 0;
    };
    return patiently(work, { until, clock: this.#clock });
  }
}

/** True if the server did nothing, because another writer was before this one. */
function isBusy(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^(SQLITE_BUSY|SQLITE_LOCKED|TRANSACTION_BUSY)/.test(code);
}

function toRemote({ sql, args }: Statement): InStatement {
  const size = args.reduce<number>((sum, arg) => sum + sizeOf(arg), 0);
  if (size > MAX_ROW) throw new RemoteError("row_too_large", `at most ${MAX_ROW} bytes`);
  return { sql, args: [...args] };
}

/** The bytes of a value that may be large. */
function sizeOf(value: Value): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== "string") return 0;
  // Bytes are counted only where they may matter.
  return value.length < MAX_ROW / 100 ? value.length : Buffer.byteLength(value);
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
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new RemoteError("unreachable", SILENCE, error);
    }
    const isSent = !/client error \(Connect\)/.test(String(error));
    throw new RemoteError(isSent ? "unreachable" : "unsent", "the connection failed", error);
  }
  const { status, headers } = response;
  const said = () => `status ${status}${reasonIn(body)}`;
  if (status === 401 || status === 403) throw new RemoteError("refused", said());
  if (status === 404) throw new RemoteError("missing", said());
  if (status === 429 || status >= 500) throw new RemoteError("unreachable", said());
  return new Response(body, { status, headers });
}

/** The URL with a slash behind its path: the client puts its own path in place of the last name. */
function folderOf(url: string): string {
  const parsed = URL.parse(url);
  if (!parsed || parsed.pathname.endsWith("/")) return url;
  parsed.pathname += "/";
  return parsed.href;
}

/** What a server says of its failure, in one line. */
function reasonIn(body: ArrayBuffer): string {
  try {
    const { error, message } = JSON.parse(new TextDecoder().decode(body.slice(0, 4096)));
    const [line] = String(error ?? message).split("\n", 1);
    return `: ${line!.slice(0, 200)}`;
  } catch {
    return "";
  }
}
