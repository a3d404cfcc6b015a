/** A remote database: Hrana over HTTP, as Turso and sqld speak it, on a real SQLite file. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "../../src/domain/clock.ts";
import { HranaStream, type StreamRequest } from "./hrana_stream.ts";

/** What is wrong with the database, or the line to it. All may be changed at any time. */
export interface DatabaseFaults {
  /** Milliseconds by which each answer is late. */
  latencyMs: number;
  /** Breaks the connection of a request: before it is done, or after, so that its answer is lost. */
  cut: "before" | "after" | undefined;
  /** Answers this status, and does nothing. */
  status: number | undefined;
  /** The name of the only database: it is at `/dev/NAME`, and what is asked of another is a 404. */
  namespace: string | undefined;
  /** Refuses writes, or all statements, as a blocked database does. */
  blocked: "writes" | "all" | undefined;
  /** Takes a request and never answers it. */
  silent: boolean;
  /** To which requests the faults but the latency apply; all, if absent. It is given the SQL. */
  only: ((sql: string) => boolean) | undefined;
  /**
   * Milliseconds for which a write keeps the lock, as under load or while a checkpoint runs: another
   * write that comes meanwhile gets SQLITE_BUSY at once.
   */
  lockMs: number;
  /** Holds a request until what it gives has settled. */
  hold: ((sql: string) => PromiseLike<unknown> | undefined) | undefined;
}

/** A running database. */
export interface RemoteDatabase extends AsyncDisposable {
  /** For `PARLEY_DATABASE_URL`. */
  readonly url: string;
  readonly token: string;
  /** `PARLEY_DATABASE_URL` and `PARLEY_DATABASE_TOKEN`. */
  readonly env: Record<string, string>;
  readonly faults: DatabaseFaults;
  /** The SQL of each request so far. */
  readonly requests: string[];
  /** The size of each answer so far, in bytes. */
  readonly answers: number[];
  /** How many reads and how many writes were on their way at once, at most. */
  readonly most: { reads: number; writes: number };
  /** How many requests were answered SQLITE_BUSY. */
  readonly busy: number;
  /** Rows, read beside all clients. */
  rows(sql: string, ...args: (string | number | null)[]): Record<string, unknown>[];
  /** Resolves at the first request from now on whose SQL has `text` in it. */
  asked(text: string): Promise<void>;
  /** Closes the port and every connection. */
  refuse(): Promise<void>;
  /** Listens again. */
  listen(): Promise<void>;
  /** Restarts: for so many milliseconds every connection is refused. */
  restart(ms: number): Promise<void>;
}

const NO_FAULTS: DatabaseFaults = {
  latencyMs: 0,
  cut: undefined,
  status: undefined,
  namespace: undefined,
  blocked: undefined,
  silent: false,
  only: undefined,
  lockMs: 0,
  hold: undefined,
};

/** Where the requests go, with the name of the database. */
const PATH = /^(?:\/dev\/(\w+))?\/v[23]\/pipeline$/;

/** Matches the SQL of every request that writes. */
const WRITE = /\b(INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\b/i;

/** Starts one on a free port, with a file in a folder of its own. */
export async function startRemoteDatabase(): Promise<RemoteDatabase> {
  const dir = await Deno.makeTempDir({ prefix: "parley-remote-" });
  return await Server.start(dir);
}

/** Loses the answer of the first request that writes to `table`, or of all of them. */
export function loseAnswers(
  { faults }: RemoteDatabase,
  table: string,
  { always }: { always: boolean },
): void {
  let lost = 0;
  faults.cut = "after";
  faults.only = (sql) => sql.includes(`INSERT INTO ${table} `) && (always || lost++ === 0);
}

class Server implements RemoteDatabase {
  readonly token = "database-secret";
  readonly faults = { ...NO_FAULTS };
  readonly requests: string[] = [];
  readonly answers: number[] = [];
  readonly most = { reads: 0, writes: 0 };
  busy = 0;
  url = "";
  readonly #now = { reads: 0, writes: 0 };
  readonly #streams = new Map<string, HranaStream>();
  readonly #watchers = new Set<(sql: string) => void>();
  #server = this.#make();
  #port = 0;

  private constructor(private readonly dir: string) {}

  static async start(dir: string): Promise<Server> {
    const server = new Server(dir);
    using first = server.#open();
    first.handle({ type: "sequence", sql: "PRAGMA journal_mode=WAL" });
    await server.listen();
    server.url = `http://127.0.0.1:${server.#port}`;
    return server;
  }

  get env(): Record<string, string> {
    return { PARLEY_DATABASE_URL: this.url, PARLEY_DATABASE_TOKEN: this.token };
  }

  rows(sql: string, ...args: (string | number | null)[]): Record<string, unknown>[] {
    using stream = this.#open();
    return stream.rows(sql, args);
  }

  asked(text: string): Promise<void> {
    return new Promise((resolve) => {
      const watcher = (sql: string) => {
        if (!sql.includes(text)) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }

  async listen(): Promise<void> {
    this.#server = this.#make();
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async refuse(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async restart(ms: number): Promise<void> {
    await this.refuse();
    await systemClock.sleep(ms);
    await this.listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.refuse();
    for (const stream of this.#streams.values()) stream[Symbol.dispose]();
    await Deno.remove(this.dir, { recursive: true });
  }

  #make() {
    return createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        // A client that went away takes no answer.
        if (!response.headersSent) reply(response, 500, { message: String(error) });
      });
    });
  }

  #open(): HranaStream {
    return new HranaStream(`${this.dir}/remote.db`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readText(request);
    const path = PATH.exec(request.url ?? "");
    if (request.method !== "POST" || !path) return void reply(response, 404);
    if (path[1] !== this.faults.namespace) {
      const error = `Namespace \`${path[1] ?? "default"}\` doesn't exist`;
      return void reply(response, 404, { error });
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      return void reply(response, 401, { error: "Unauthorized: the token is not valid" });
    }
    const { baton, requests } = JSON.parse(body) as {
      baton?: string;
      requests: StreamRequest[];
    };
    const sql = requests.map(sqlOf).filter(Boolean).join(";\n");
    using _ = this.#count(WRITE.test(sql) ? "writes" : "reads");
    const { latencyMs, cut, status, silent, blocked } = this.#faultsFor(sql);
    this.requests.push(sql);
    for (const watcher of [...this.#watchers]) watcher(sql);
    await this.faults.hold?.(sql);
    if (latencyMs > 0) await systemClock.sleep(latencyMs);
    if (silent) return;
    if (cut === "before") return void request.socket.destroy();
    if (status !== undefined) return void reply(response, status, { message: `status ${status}` });
    const isBlocked = blocked === "all" || (blocked === "writes" && WRITE.test(sql));
    const result = isBlocked ? blockedResult(requests) : this.#run(baton, requests);
    if (JSON.stringify(result).includes('"SQLITE_BUSY"')) this.busy++;
    else if (this.faults.lockMs > 0 && WRITE.test(sql)) await this.#keepLock(this.faults.lockMs);
    if (cut === "after") return void request.socket.destroy();
    this.answers.push(reply(response, 200, result));
  }

  #faultsFor(sql: string): DatabaseFaults {
    const { only, latencyMs } = this.faults;
    return only && !only(sql) ? { ...NO_FAULTS, latencyMs } : this.faults;
  }

  /** Counts a request until it is answered. */
  #count(kind: "reads" | "writes"): Disposable {
    this.most[kind] = Math.max(this.most[kind], ++this.#now[kind]);
    return { [Symbol.dispose]: () => void this.#now[kind]-- };
  }

  async #keepLock(ms: number): Promise<void> {
    using lock = this.#open();
    lock.handle({ type: "sequence", sql: "BEGIN IMMEDIATE" });
    await systemClock.sleep(ms);
  }

  /** Does the requests of one pipeline, with nothing between them. */
  #run(baton: string | undefined, requests: StreamRequest[]): unknown {
    const known = baton === undefined ? undefined : this.#streams.get(baton);
    if (baton !== undefined && !known) throw new Error("the stream of that baton is gone");
    const stream = known ?? this.#open();
    if (baton !== undefined) this.#streams.delete(baton);
    const results = requests.map((request) => stream.handle(request));
    if (stream.closed) return { baton: null, base_url: null, results };
    const next = crypto.randomUUID();
    this.#streams.set(next, stream);
    return { baton: next, base_url: null, results };
  }
}

/** The answer of a database that is blocked. */
function blockedResult(requests: StreamRequest[]): unknown {
  const error = { message: "Operation was blocked: the bill is not paid", code: "BLOCKED" };
  return { baton: null, base_url: null, results: requests.map(() => ({ type: "error", error })) };
}

function sqlOf(request: StreamRequest): string {
  switch (request.type) {
    case "execute":
      return request.stmt.sql ?? "";
    case "batch":
      return request.batch.steps.map(({ stmt }) => stmt.sql ?? "").filter(Boolean).join(";\n");
    default:
      return "sql" in request ? request.sql ?? "" : "";
  }
}

/** Answers, and gives the size of the answer in bytes. */
function reply(response: ServerResponse, status: number, value?: unknown): number {
  const body = new TextEncoder().encode(value === undefined ? "" : JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body);
  return body.length;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return await new Blob(chunks as BlobPart[]).text();
}
