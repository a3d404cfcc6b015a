import { createApp } from "../app.ts";
import type { Config } from "../config/config.ts";
import { newSecret } from "../domain/token.ts";
import { filePath } from "../store/database.ts";
import type { TokenStore } from "../store/tokens.ts";
import { ensureDataDir } from "./data_dir.ts";
import { listen } from "./listen.ts";
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
    const { app, log } = parley;
    const server = listen(
      config.listen,
      (request) => app.fetch(request),
      log,
      (where) => world.print(`Parley listens on ${where}`),
    );
    await stopped;
    await parley.close(config.limits.shutdownMs);
    await Promise.race([server.shutdown(), new Promise((done) => setTimeout(done, DRAIN))]);
    return 0;
  } catch (error) {
    await parley.close();
    throw error;
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
  // On a shared database the first token may have been made elsewhere.
  if (!exists(path)) return;
  world.warn(`Send a token with each request: -H "Coder-Session-Token: $(cat ${path})"`);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
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
