/**
 * `deno task compile [--output PATH]`: builds Parley as one executable, by default `./parley`.
 *
 * It promises a program that stands alone: its code, libSQL's native addon for this platform and the
 * migrations are inside. The program has been started once before this script reports success, and
 * nothing but it is left behind. Where it can't be built, one message says what to do about it.
 *
 * The code is bundled first because `deno compile` on its own embeds every npm package of the lock
 * file whole, types and unused builds included: four times the size and twice the time to start. A
 * bundle holds only what is reached. It is split at dynamic imports, so what Parley loads late costs
 * nothing at the start.
 *
 * The bundle can't hold the addon, and looks for the migrations beside itself. So both are laid out
 * around it in a temporary folder, just as they are to stand inside the executable:
 *
 *     main.js, *.js         the bundle
 *     migrations/           found by main.ts as `${import.meta.dirname}/migrations`
 *     node_modules/@libsql  found by libSQL's own `require()`
 */
import { cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

const root = resolve(import.meta.dirname!, "../..");

/** A build that can't go on, for a reason the person building can act on. */
class BuildError extends Error {}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function complain(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

function outputPath(args: string[]): string {
  try {
    const { values } = parseArgs({ args, options: { output: { type: "string" } } });
    return resolve(values.output ?? "parley");
  } catch (error) {
    throw new BuildError(`${(error as Error).message}\nUsage: deno task compile [--output PATH]`);
  }
}

/** Runs a program to its end; `output` is all it wrote, less the trace a failing Deno may add. */
async function run(program: string, options: Deno.CommandOptions) {
  const command = new Deno.Command(program, { stdin: "null", ...options });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  const output = decoder.decode(stderr) + decoder.decode(stdout);
  return { success, output: output.split(/\nstack backtrace:/i)[0]!.trim() };
}

function runDeno(args: string[]) {
  const env = { DENO_TLS_CA_STORE: "system,mozilla", NO_COLOR: "1" };
  return run(Deno.execPath(), { args, env });
}

/** Says early what `deno compile` would only find out after the bundling. */
function checkBase(): void {
  const base = Deno.env.get("DENORT_BIN");
  if (base === undefined) return;
  try {
    if (Deno.statSync(base).isFile) return;
  } catch {
    // Told below, in the same words as for a folder.
  }
  throw new BuildError(
    `DENORT_BIN is set to "${base}", and there is no such file.\n` +
      `Set it to a denort of Deno ${Deno.version.deno}, or unset it to let Deno download one.`,
  );
}

async function bundle(folder: string): Promise<void> {
  const { success, output } = await runDeno([
    ...["bundle", "--quiet", "--platform", "deno", "--code-splitting"],
    ...["--config", join(root, "deno.json"), "--outdir", folder, join(root, "main.ts")],
  ]);
  if (!success) throw new BuildError(`deno bundle failed.\n\n${output}`);
  for (const { name } of Deno.readDirSync(folder)) plainComments(join(folder, name));
}

/**
 * The bundler escapes what isn't ASCII, but not in comments. V8 keeps a source of ASCII as it stands
 * in the executable; one dash in a comment makes it a copy in memory of twice the size.
 */
function plainComments(file: string): void {
  const source = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(
    file,
    source.replace(/^\s*(?:\/\/|\/?\*).*$/gm, (line) => line.replace(/\P{ASCII}/gu, "?")),
  );
}

/** Copies what the migrator reads; the snapshots in there serve `deno task db:generate` alone. */
async function copyMigrations(folder: string): Promise<void> {
  await cp(join(root, "migrations"), join(folder, "migrations"), {
    recursive: true,
    filter: (source) => !source.endsWith("_snapshot.json"),
  });
}

/**
 * Copies libSQL's addon for this platform. There is one for each system, processor and libc, and
 * libSQL alone knows which it takes: so it is let take one, and asked where that came from.
 */
async function copyAddon(folder: string): Promise<void> {
  await import("@libsql/client");
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  const addon = loaded.find((file) => file.endsWith(".node"));
  if (addon === undefined) throw new BuildError("libSQL did not load its native addon.");
  const manifest = join(dirname(addon), "package.json");
  const { name } = JSON.parse(Deno.readTextFileSync(manifest));
  const target = join(folder, "node_modules", name);
  Deno.mkdirSync(target, { recursive: true });
  for (const file of [addon, manifest]) Deno.copyFileSync(file, join(target, basename(file)));
}

async function compile(folder: string, target: string): Promise<void> {
  // Without --no-config, Deno would embed by the settings of whatever folder it is run in.
  const { success, output } = await runDeno([
    ...["compile", "--quiet", "--no-check", "--no-config", "--allow-all", "--output", target],
    ...["--include", join(folder, "migrations"), "--include", join(folder, "node_modules")],
    join(folder, "main.js"),
  ]);
  if (success) return;
  if (!/denort|base binary/i.test(output)) {
    throw new BuildError(`deno compile failed.\n\n${output}`);
  }
  throw new BuildError(
    "Deno could not get denort, the bare runtime that an executable is built on.\n" +
      "Let this machine reach Deno's download site, or set DENORT_BIN to the path of a denort\n" +
      `of exactly this version, ${Deno.version.deno}. What Deno said:\n\n${output}`,
  );
}

/** A denort of another version than Deno's makes an executable too: one that dies as it starts. */
async function smokeTest(target: string, folder: string): Promise<string> {
  const result = await run(target, {
    args: ["--version"],
    // The executable unpacks itself into TMPDIR: in this one, that goes with the folder.
    env: { TMPDIR: folder, NO_COLOR: "1" },
    signal: AbortSignal.timeout(30_000),
  }).catch((error: Error) => ({ success: false, output: error.message }));
  if (result.success) return result.output;
  Deno.removeSync(target);
  const hint = Deno.env.has("DENORT_BIN")
    ? `DENORT_BIN must name a denort of exactly Deno's version, ${Deno.version.deno}.\n`
    : "";
  throw new BuildError(
    "The executable was built but does not start, so it has been removed.\n" +
      `${hint}What "${basename(target)} --version" said:\n\n${result.output || "(nothing)"}`,
  );
}

async function build(target: string): Promise<void> {
  checkBase();
  const folder = Deno.makeTempDirSync({ prefix: "parley-compile-" });
  try {
    say("Bundling main.ts ...");
    await bundle(folder);
    await copyMigrations(folder);
    await copyAddon(folder);
    say(`Compiling with Deno ${Deno.version.deno} ...`);
    await compile(folder, target);
    const version = await smokeTest(target, folder);
    say(`${target}: ${version}, ${(Deno.statSync(target).size / 1e6).toFixed(1)} MB`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

try {
  await build(outputPath(Deno.args));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  complain(`\nParley was not built. ${error.message}`);
  Deno.exitCode = 1;
}
