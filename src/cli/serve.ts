import { createApp } from "../app.ts";
import type { Config } from "../config/config.ts";
import { systemClock } from "../domain/clock.ts";
import { UsageError } from "../domain/errors.ts";
import { LineWriter } from "../observe/lines.ts";
import { logLines } from "../observe/log.ts";
import { captureRuntime } from "../observe/runtime.ts";
import { filePath } from "../store/path.ts";
import { VERSION } from "../version.ts";
import { ensureDataDir } from "./data_dir.ts";
import { firstSteps } from "./first_steps.ts";
import { listen } from "./listen.ts";
import type { World } from "./world.ts";

/** How long open connections may take to end after their runs have, in milliseconds. */
const DRAIN = 2_000;

/** How long the last lines of the log may take at the end, in milliseconds. */
const LAST_LINES = 1_000;

/** `parley serve`: serves until a signal ends it. Resolves to the exit code. */
export async function serve(config: Config, world: World): Promise<number> {
  const line = logLines(config.logFormat, systemClock);
  const lines = new LineWriter(
    world.stderr,
    (count) => line("warn", "lines of the log were dropped", { count }),
  );
  try {
    return await serveUntilStopped(config, world, lines);
  } catch (error) {
    // Who reads JSON gets nothing else.
    if (config.logFormat !== "json") throw error;
    const isExpected = error instanceof UsageError;
    const { message, stack } = error as Error;
    lines.write(line("error", message, isExpected ? {} : { stack }));
    return isExpected ? 2 : 1;
  } finally {
    await lines.flush(LAST_LINES);
  }
}

async function serveUntilStopped(
  config: Config,
  world: World,
  lines: LineWriter,
): Promise<number> {
  if (filePath(config.database.url) !== undefined) ensureDataDir(config.dataDir);
  const write = (line: string) => lines.write(line);
  const parley = await createApp(config, world.migrations, {
    write,
    environment: world.env,
  });
  const { app, log } = parley;
  captureRuntime(log);
  const say = config.logFormat === "json" ? (text: string) => log.log("info", text) : write;
  try {
    const steps = await firstSteps(config, parley.tokens);
    // First, since a signal may come as soon as Parley listens.
    const stopped = stopSignal(say);
    for (const warning of config.warnings) log.log("warn", warning);
    const server = await listen(
      config,
      (request, connection) => app.fetch(request, { connection }),
      log,
      (where) => {
        log.log("info", "Parley starts", {
          version: VERSION,
          deno: Deno.version.deno,
          database: config.database.url,
          providers: config.providers.map(({ name }) => name).join(", "),
          listen: where,
        });
        world.print(`Parley listens on ${where}`);
        for (const line of steps(where)) say(line);
      },
    );
    await stopped;
    await parley.drain(config.limits.shutdownMs);
    await Promise.race([server.shutdown(), new Promise((done) => setTimeout(done, DRAIN))]);
    await parley.close();
    return 0;
  } catch (error) {
    await parley.close();
    throw error;
  }
}

/** Resolves at the first signal; a second one ends the process at once. */
function stopSignal(say: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = () => {
      if (asked) Deno.exit(130);
      asked = true;
      say("Parley is shutting down. Send the signal again to end it at once.");
      resolve();
    };
    const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
    if (Deno.build.os !== "windows") signals.push("SIGHUP");
    for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  });
}
