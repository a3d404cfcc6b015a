/**
 * `deno task dev`: serves from source, and starts the server again whenever a source file is saved.
 *
 * `deno run --watch` loads the new code into the old process, where the old server still holds the
 * database. Here each server is a process of its own, and the next starts after it has ended.
 */
import { V8_FLAGS } from "./v8.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

const SOURCE = /^(main\.ts|deno\.json|(src|migrations)\/.*\.(ts|json|sql))$/;

/** How long to wait for more changes, in milliseconds: an editor may save many files at once. */
const SETTLE = 100;

/** A restart does not wait for answers, unless the environment says so; what they said is stored. */
const AT_ONCE = { PARLEY_LIMIT_SHUTDOWN_SECONDS: "0" };

function start(): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", V8_FLAGS, "--config", `${ROOT}deno.json`, `${ROOT}main.ts`],
      "serve",
      ...Deno.args,
    ],
    env: { ...AT_ONCE, ...Deno.env.toObject() },
    stdin: "null",
  }).spawn();
}

function stop(server: Deno.ChildProcess): void {
  try {
    server.kill("SIGTERM");
  } catch {
    // It has ended already.
  }
}

/** Calls `onSave` after source files were saved. */
function watch(onSave: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const follow = async (changes: Deno.FsWatcher) => {
    for await (const { kind, paths } of changes) {
      const isSave = paths.some((path) => SOURCE.test(path.slice(ROOT.length)));
      if (kind === "access" || !isSave) continue;
      clearTimeout(timer);
      timer = setTimeout(onSave, SETTLE);
    }
  };
  follow(Deno.watchFs([`${ROOT}src`, `${ROOT}migrations`]));
  follow(Deno.watchFs(ROOT, { recursive: false }));
}

/** Serves until a signal comes, or the server ends without an error. Resolves to the exit code. */
async function dev(): Promise<number> {
  let [server, saved, isEnding] = [start(), Promise.withResolvers<void>(), false];
  watch(() => saved.resolve());
  const onSignal = (isOurs: boolean) => {
    if (isOurs || isEnding) stop(server);
    isEnding = true;
    saved.resolve();
  };
  // A terminal sends this to the server, too.
  Deno.addSignalListener("SIGINT", () => onSignal(false));
  Deno.addSignalListener("SIGTERM", () => onSignal(true));
  for (;;) {
    const isSaved = await Promise.race([
      server.status.then(() => false),
      saved.promise.then(() => true),
    ]);
    if (isSaved && !isEnding) stop(server);
    const { code } = await server.status;
    if (!isSaved && code !== 0) {
      Deno.stderr.writeSync(new TextEncoder().encode("Save a file to start Parley again.\n"));
      await saved.promise;
    }
    if (isEnding || (!isSaved && code === 0)) return code;
    saved = Promise.withResolvers();
    server = start();
  }
}

if (import.meta.main) Deno.exit(await dev());
