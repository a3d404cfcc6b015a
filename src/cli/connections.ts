/**
 * HTTP over connections that Parley accepts itself.
 *
 * `Deno.serve` gives its listening socket up if no file descriptor is left for a connection, and then
 * another process may take the port and hear tokens. It also bounds neither the number of connections
 * nor how long one may keep a request to itself. `Deno.serve` is made of a function that serves a single
 * connection; with that one, all of this is ours. It is not public, so `tests/cli/listen_test.ts` notices
 * if a new Deno drops it; Parley then listens by `Deno.serve`, without these bounds.
 */

/** Answers a request. */
export type Handler = (
  request: Request,
  connection: ConnectionHandle,
) => Response | Promise<Response>;

/** The connection of a request. */
export interface ConnectionHandle {
  /** Ends the connection at once, whatever of a response is still to be sent. */
  close(): void;
  /** Settles once the response is on its way as a whole, or cannot be sent. */
  completed: Promise<unknown>;
}

/** Serves one connection: `finished` settles when it is over, `shutdown` ends it after its requests. */
export type ServeConnection = (
  connection: Deno.Conn,
  signal: AbortSignal,
  handler: (request: Request, info: Deno.ServeHandlerInfo) => Response | Promise<Response>,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => { finished: Promise<void>; shutdown(): Promise<void> };

/** Deno's function that serves one connection, unless this Deno has none. */
export function serveConnection(): ServeConnection | undefined {
  const { internal } = Deno as unknown as { internal: symbol };
  const inside = (Deno as unknown as Record<symbol, Record<string, unknown>>)[internal];
  const found = inside?.["serveHttpOnConnection"];
  return typeof found === "function" ? found as ServeConnection : undefined;
}

/** How long a connection may take, in milliseconds. */
const LIMITS = {
  /** For the head of its first request. */
  first: 15_000,
  /** For the head of another one. */
  next: 30_000,
  /** To take the end of an answer, which is still on its way when the answer is complete. */
  flush: 1_000,
};

/** The most connections that may wait for their first request, and for another one. */
const MOST_WAITING = 500;

/** How often to look for connections that take too long, in milliseconds. */
const LOOK_EVERY = 1_000;

/** A connection that is served. */
interface Connection {
  /** When it began to wait for the head of a request, by `performance.now`. */
  waitsSince: number;
  /** How many of its requests are not answered in full. */
  requests: number;
  served: boolean;
  server: ReturnType<ServeConnection>;
  close(): void;
}

/** The connections of a listener. */
export class Connections {
  readonly #serve: ServeConnection;
  readonly #handler: Handler;
  readonly #onError: (error: unknown) => Response;
  readonly #all = new Set<Connection>();
  /** Those that wait for their first request, longest first, and those that wait for another. */
  readonly #unserved = new Set<Connection>();
  readonly #idle = new Set<Connection>();
  readonly #limits: typeof LIMITS;
  readonly #timer: ReturnType<typeof setInterval>;
  #change = Promise.withResolvers<void>();

  constructor(
    serve: ServeConnection,
    handler: Handler,
    onError: (error: unknown) => Response,
    limits: typeof LIMITS = LIMITS,
  ) {
    this.#serve = serve;
    this.#handler = handler;
    this.#onError = onError;
    this.#limits = limits;
    this.#timer = setInterval(() => {
      this.#closeLate(this.#unserved, limits.first);
      this.#closeLate(this.#idle, limits.next);
    }, Math.min(LOOK_EVERY, limits.first));
  }

  /** Resolves once there are fewer than `limit`, for which idle ones are closed. */
  async room(limit: number): Promise<void> {
    while (this.#all.size >= limit) {
      const change = this.#change.promise;
      this.closeOldest();
      const timer = setTimeout(() => this.#changed(), this.#limits.flush);
      await change;
      clearTimeout(timer);
    }
  }

  add(conn: Deno.Conn): void {
    const abort = new AbortController();
    const close = () => abort.abort();
    const server = this.#serve(
      conn,
      abort.signal,
      (request, info) => this.#answer(connection, request, info),
      this.#onError,
      () => {},
    );
    const connection: Connection = { waitsSince: 0, requests: 0, served: false, server, close };
    this.#all.add(connection);
    this.#wait(connection);
    // It rejects if the client breaks the connection or the protocol.
    server.finished.catch(() => {}).finally(() => {
      this.#all.delete(connection);
      this.#unserved.delete(connection);
      this.#idle.delete(connection);
      this.#changed();
    });
  }

  /** Closes the one that has waited longest, if any waits; those that never asked for anything first. */
  closeOldest(): void {
    this.#closeFirst(this.#unserved.size > 0 ? this.#unserved : this.#idle);
  }

  /** Lets requests be answered, and closes all connections. */
  async shutdown(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(Array.from(this.#all, async ({ served, server, close }) => {
      // One without a request would be waited for.
      if (!served) close();
      await Promise.allSettled([served && server.shutdown(), server.finished]);
    }));
  }

  #answer(
    connection: Connection,
    request: Request,
    info: Deno.ServeHandlerInfo,
  ): Response | Promise<Response> {
    connection.requests++;
    connection.served = true;
    this.#unserved.delete(connection);
    this.#idle.delete(connection);
    const done = () => {
      connection.requests--;
      if (connection.requests === 0 && this.#all.has(connection)) this.#wait(connection);
    };
    info.completed.then(done, done);
    const { completed } = info;
    return this.#handler(request, { close: connection.close, completed });
  }

  #wait(connection: Connection): void {
    connection.waitsSince = performance.now();
    const waiting = connection.served ? this.#idle : this.#unserved;
    waiting.add(connection);
    if (waiting.size > MOST_WAITING) this.#closeFirst(waiting);
    this.#changed();
  }

  #closeFirst([oldest]: Iterable<Connection>): void {
    if (!oldest) return;
    const waited = performance.now() - oldest.waitsSince;
    if (!oldest.served || waited >= this.#limits.flush) this.#close(oldest);
  }

  #closeLate(waiting: Set<Connection>, limitMs: number): void {
    for (const connection of waiting) {
      if (performance.now() - connection.waitsSince < limitMs) return;
      this.#close(connection);
    }
  }

  #close(connection: Connection): void {
    this.#unserved.delete(connection);
    this.#idle.delete(connection);
    connection.close();
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
