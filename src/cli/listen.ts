import type { Config } from "../config/config.ts";
import { UsageError } from "../domain/errors.ts";
import type { Logger } from "../observe/log.ts";
import { Connections, type Handler, serveConnection } from "./connections.ts";

type Address = Config["listen"];

/** What listens for requests. */
interface Listening {
  /** Accepts no more, and resolves once all requests are answered. */
  shutdown(): Promise<void>;
}

/** How many connections may be open besides those of streams; one costs some 25 kB. */
const OTHERS = 100;

/** How many file descriptors are left for the database, files and the runtime. */
const SPARE = 40;

/** How long to wait before accepting again if no connection can be accepted, in milliseconds. */
const AGAIN = 50;

/**
 * Listens, and calls `onListen` with the address in words.
 * @throws {UsageError} if it cannot.
 */
export async function listen(
  { listen: address, limits }: Pick<Config, "listen" | "limits">,
  handler: Handler,
  log: Logger,
  onListen: (where: string) => void,
): Promise<Listening> {
  try {
    if ("unix" in address) await removeStaleSocket(address.unix);
    const serve = serveConnection();
    if (!serve) return listenSimply(address, handler, log, onListen);
    const listener = "unix" in address
      ? Deno.listen({ transport: "unix", path: address.unix })
      : Deno.listen({ hostname: address.host, port: address.port });
    const connections = new Connections(serve, handler, (error) => {
      log.log("error", "request failed", { reason: String(error) });
      return new Response(null, { status: 500 });
    });
    const removeSocket = "unix" in address ? ownSocket(address.unix) : () => {};
    const port = "unix" in address ? {} : { port: (listener.addr as Deno.NetAddr).port };
    onListen(inWords({ ...address, ...port }));
    const limit = mostConnections(limits.streams.total + OTHERS);
    const stop = accept(listener, connections, limit, log);
    return {
      async shutdown() {
        removeSocket();
        stop();
        await connections.shutdown();
      },
    };
  } catch (error) {
    const where = inWords(address).replace("http://", "");
    throw new UsageError(`Cannot listen on ${where}: ${(error as Error).message}`);
  }
}

/**
 * Accepts connections, at most `limit` at a time and whatever fails, until the result is called. Only
 * tests use it directly.
 */
export function accept(
  listener: Pick<Deno.Listener, "accept" | "close">,
  connections: Connections,
  limit: number,
  log: Logger,
): () => void {
  let closed = false;
  let failing = false;

  async function next(): Promise<void> {
    try {
      const conn = await listener.accept();
      await connections.room(limit);
      if (closed) return conn.close();
      connections.add(conn);
      if (failing) log.log("info", "connections are accepted again");
      failing = false;
    } catch (error) {
      // The client has gone again.
      if (closed || /^Connection(Reset|Aborted)$/.test((error as Error).name)) return;
      // No file descriptor is left, say. The socket listens on, so that nobody else can.
      if (!failing) log.log("error", "no connection can be accepted", { reason: String(error) });
      failing = true;
      connections.closeOldest();
      await new Promise((done) => setTimeout(done, AGAIN));
    }
  }

  (async () => {
    while (!closed) await next();
  })();
  return () => {
    closed = true;
    listener.close();
  };
}

/** For a Deno that has no way to serve a single connection. */
function listenSimply(
  address: Address,
  handler: Handler,
  log: Logger,
  onListen: (where: string) => void,
): Listening {
  log.log("warn", "this Deno serves without bounds on connections");
  const where = "unix" in address
    ? { path: address.unix }
    : { hostname: address.host, port: address.port };
  const server = Deno.serve(
    { ...where, onListen: () => {} },
    (request, { completed }) => handler(request, { close() {}, completed }),
  );
  server.finished.catch((error) => {
    log.log("error", "no connection can be accepted", { reason: String(error) });
  });
  onListen(inWords("unix" in address ? address : { ...address, ...server.addr as Deno.NetAddr }));
  return server;
}

/** Each connection may need another file descriptor, for a provider. */
function mostConnections(most: number): number {
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const descriptors = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
    return Math.max(4, Math.min(most, Math.floor((descriptors - SPARE) / 2)));
  } catch {
    // There is no such file on other systems.
    return most;
  }
}

function inWords(address: Address): string {
  if ("unix" in address) return `unix:${address.unix}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `http://${host}:${address.port}`;
}

/**
 * A socket file outlives the process that made it.
 * @throws {Error} if a process listens on it.
 */
async function removeStaleSocket(path: string): Promise<void> {
  if (!statSocket(path)) return;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return Deno.removeSync(path);
    throw error;
  }
  throw new Deno.errors.AddrInUse("Another program listens on it");
}

/** Removes the socket file, unless another process has put its own there. */
function ownSocket(path: string): () => void {
  const made = statSocket(path);
  return () => {
    const now = statSocket(path);
    if (now && now.ino === made?.ino && now.dev === made.dev) Deno.removeSync(path);
  };
}

function statSocket(path: string): Deno.FileInfo | undefined {
  try {
    const found = Deno.lstatSync(path);
    return found.isSocket ? found : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
