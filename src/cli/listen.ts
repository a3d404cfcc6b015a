import type { Config } from "../config/config.ts";
import { UsageError } from "../domain/errors.ts";
import type { Logger } from "../observe/log.ts";

type Address = Config["listen"];
type Handler = (request: Request) => Response | Promise<Response>;

/** A server that goes on listening. */
export interface Listening {
  /** Takes no more connections, and resolves when the open ones are done. */
  shutdown(): Promise<void>;
}

/** How long to wait before listening again, in milliseconds. */
const AGAIN = 200;

/**
 * Listens, and calls `onListen` with the address in words. `Deno.serve` gives up for good where it
 * cannot accept a connection, as without a file descriptor left: then it listens anew until it can.
 * @throws {UsageError} where it cannot listen at all.
 */
export function listen(
  address: Address,
  handler: Handler,
  log: Logger,
  onListen: (where: string) => void,
): Listening {
  let closed = false;
  let server: Deno.HttpServer;
  const watch = () => {
    server.finished.catch(async (error) => {
      if (closed) return;
      log.log("error", "no connection can be accepted", { reason: String(error) });
      while (!closed) {
        await new Promise((done) => setTimeout(done, AGAIN));
        try {
          server = open(bound, handler);
          log.log("info", "connections are accepted again");
          return watch();
        } catch {
          // Still none left: it is told already.
        }
      }
    });
  };
  try {
    server = open(address, handler);
  } catch (error) {
    const where = inWords(address).replace("http://", "");
    throw new UsageError(`Cannot listen on ${where}: ${(error as Error).message}`);
  }
  // A port that was free is taken from now on.
  const bound = "unix" in address
    ? address
    : { ...address, port: (server.addr as Deno.NetAddr).port };
  watch();
  onListen(inWords(bound));
  return {
    shutdown() {
      closed = true;
      return server.shutdown();
    },
  };
}

function open(address: Address, handler: Handler): Deno.HttpServer {
  const onListen = () => {};
  if ("unix" in address) {
    removeStaleSocket(address.unix);
    return Deno.serve({ path: address.unix, onListen }, handler);
  }
  return Deno.serve({ hostname: address.host, port: address.port, onListen }, handler);
}

function inWords(address: Address): string {
  if ("unix" in address) return `unix:${address.unix}`;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `http://${host}:${address.port}`;
}

/** A socket file outlives the process that made it. */
function removeStaleSocket(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
