import { createApp, type Parley } from "../app.ts";
import type { Config } from "../config/config.ts";
import { UsageError } from "../domain/errors.ts";
import { newSecret } from "../domain/token.ts";
import { filePath } from "../store/database.ts";
import type { TokenStore } from "../store/tokens.ts";
import { ensureDataDir } from "./data_dir.ts";
import type { World } from "./world.ts";

/** How long open connections may take to end after their runs have, in milliseconds. */
const DRAIN = 2_000;

/** `parley serve`: listens until a signal ends it. Resolves to the exit code. */
export async function serve(config: Config, world: World): Promise<number> {
  if (filePath(config.database.url) !== undefined) ensureDataDir(config.dataDir);
  const parley = await createApp(config, world.migrations);
  try {
    await makeFirstToken(config, parley.tokens, world);
    // Before anyone is told that it listens: a signal may come at once.
    const stopped = stopSignal(world);
    const server = listen(config, parley, world);
    await stopped;
    await parley.close(config.limits.shutdownMs);
    await Promise.race([server.shutdown(), new Promise((done) => setTimeout(done, DRAIN))]);
    return 0;
  } catch (error) {
    await parley.close();
    throw error;
  }
}

function listen({ listen }: Config, { app }: Parley, world: World): Deno.HttpServer {
  try {
    if ("unix" in listen) {
      removeStaleSocket(listen.unix);
      return Deno.serve({
        path: listen.unix,
        onListen: () => world.print(`Parley listens on unix:${listen.unix}`),
      }, (request) => app.fetch(request));
    }
    return Deno.serve({
      hostname: listen.host,
      port: listen.port,
      onListen: ({ port }) => {
        const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
        world.print(`Parley listens on http://${host}:${port}`);
      },
    }, (request) => app.fetch(request));
  } catch (error) {
    const where = "unix" in listen ? `unix:${listen.unix}` : `${listen.host}:${listen.port}`;
    throw new UsageError(`Cannot listen on ${where}: ${(error as Error).message}`);
  }
}

/** A socket file outlives the process that made it. */
function removeStaleSocket(path: string): void {
  try {
    if (Deno.lstatSync(path).isSocket) Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Without any token nobody could ask: the local user gets one, in a file of the data folder. */
async function makeFirstToken(config: Config, tokens: TokenStore, world: World): Promise<void> {
  if (Object.keys(config.tokens).length > 0 || config.coderUrl !== undefined) return;
  const path = `${config.dataDir}/token`;
  if ((await tokens.list()).length === 0) {
    const secret = newSecret();
    ensureDataDir(config.dataDir);
    Deno.writeTextFileSync(path, `${secret}\n`, { mode: 0o600 });
    Deno.chmodSync(path, 0o600);
    await tokens.create({ secret, name: "first", username: "local", expiresAt: null });
    world.warn(`A token was made for the local user, in ${path}.`);
  }
  world.warn(`Send a token with each request: -H "Coder-Session-Token: $(cat ${path})"`);
}

/** Resolves at SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(world: World): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) Deno.exit(130);
      asked = true;
      world.warn("Parley is shutting down. Send the signal again to end it at once.");
      resolve();
    };
    Deno.addSignalListener("SIGINT", onSignal);
    Deno.addSignalListener("SIGTERM", onSignal);
  });
}
