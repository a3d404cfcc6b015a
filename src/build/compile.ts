/**
 * `deno task compile [--output PATH]`: builds Parley as one executable, by default `./parley`.
 *
 * The executable includes the code, libSQL's native addon for this platform and the migrations. The
 * code is bundled first: `deno compile` alone embeds every npm package in the lock file whole, which
 * makes the executable four times as large and twice as slow to start. The bundle is split at dynamic
 * imports, so code that Parley loads later costs nothing at startup. A temporary folder has the same
 * layout as the executable:
 *
 *     main.js, *.js         the bundle
 *     migrations/           found by main.ts as `${import.meta.dirname}/migrations`
 *     reference.js.gz       found by src/http/reference.ts
 *     node_modules/@libsql  found by libSQL's own `require()`
 */
import { cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { compressedScript, SCRIPT_FILE } from "../http/reference.ts";
import { V8_FLAGS } from "./v8.ts";

const root = resolve(import.meta.dirname!, "../..");

/** What `hono-openapi` imports if it is there, and Parley does not have. */
const ABSENT = ["effect", "sury", "@valibot/to-json-schema", "zod-openapi"];

/** A failure of the build, with a message that says what to do about it. */
class BuildError extends Error {}

function write(stream: typeof Deno.stdout | typeof Deno.stderr, line: string): void {
  stream.writeSync(new TextEncoder().encode(`${line}\n`));
}

function outputPath(args: string[]): string {
  try {
    const { values } = parseArgs({ args, options: { output: { type: "string" } } });
    return resolve(values.output ?? "parley");
  } catch (error) {
    throw new BuildError(`${(error as Error).message}\nUsage: deno task compile [--output PATH]`);
  }
}

/** Runs a program to its end; `output` is all it wrote, without the stack trace of a failing Deno. */
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

/** Finds a wrong DENORT_BIN, which `deno compile` would only report after bundling. */
function checkBase(): void {
  const base = Deno.env.get("DENORT_BIN");
  if (base === undefined) return;
  try {
    if (Deno.statSync(base).isFile) return;
  } catch {
    // Reported below, as for a folder.
  }
  throw new BuildError(
    `DENORT_BIN is set to "${base}", but there is no such file.\n` +
      `Set it to a denort of Deno ${Deno.version.deno}, or unset it to let Deno download one.`,
  );
}

/**
 * Minified, which takes 2.4 MB from the executable, 4 MiB from its memory and 10 ms from its start. It also
 * makes all code ASCII: V8 reads that straight from the executable, and copies any other at twice the size.
 *
 * In two passes: in one, Deno 2.6 does not find its own `require` to mend.
 */
async function bundle(folder: string): Promise<void> {
  const plain = join(folder, "plain");
  await bundleTo(plain, ["--config", join(root, "deno.json"), join(root, "main.ts")]);
  const absent = ABSENT.flatMap((name) => ["--external", name]);
  await bundleTo(folder, ["--no-config", "--minify", ...absent, join(plain, "main.js")]);
  Deno.removeSync(plain, { recursive: true });
}

async function bundleTo(folder: string, args: string[]): Promise<void> {
  const { success, output } = await runDeno([
    ...["bundle", "--quiet", "--platform", "deno", "--code-splitting", "--outdir", folder],
    ...args,
  ]);
  if (!success) throw new BuildError(`deno bundle failed.\n\n${output}`);
}

/** Copies the migrations without their snapshots, which only `deno task db:generate` needs. */
async function copyMigrations(folder: string): Promise<void> {
  await cp(join(root, "migrations"), join(folder, "migrations"), {
    recursive: true,
    filter: (source) => !source.endsWith("_snapshot.json"),
  });
}

/** Copies libSQL's addon for this platform: the one that libSQL itself loads. */
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
  // Without --no-config, Deno would apply the settings of the current folder.
  const { success, output } = await runDeno([
    ...["compile", "--quiet", "--no-check", "--no-config", "--allow-all", V8_FLAGS],
    ...["--output", target],
    ...["--include", join(folder, "migrations"), "--include", join(folder, "node_modules")],
    ...["--include", join(folder, SCRIPT_FILE)],
    join(folder, "main.js"),
  ]);
  if (success) return;
  if (!/denort|base binary/i.test(output)) {
    throw new BuildError(`deno compile failed.\n\n${output}`);
  }
  throw new BuildError(
    "Deno could not get denort, the bare runtime that executables are built on.\n" +
      "Let this machine reach Deno's download site, or set DENORT_BIN to the path of a denort\n" +
      `of exactly this version, ${Deno.version.deno}. What Deno said:\n\n${output}`,
  );
}

/** Starts the executable, which crashes if denort is of another version, and resolves to its version. */
async function smokeTest(target: string, folder: string): Promise<string> {
  const result = await run(target, {
    args: ["--version"],
    // The executable unpacks itself into TMPDIR, which is removed with the folder.
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
    write(Deno.stdout, "Bundling main.ts ...");
    await bundle(folder);
    await copyMigrations(folder);
    Deno.writeFileSync(join(folder, SCRIPT_FILE), await compressedScript());
    await copyAddon(folder);
    write(Deno.stdout, `Compiling with Deno ${Deno.version.deno} ...`);
    await compile(folder, target);
    const version = await smokeTest(target, folder);
    write(
      Deno.stdout,
      `${target}: ${version}, ${(Deno.statSync(target).size / 1e6).toFixed(1)} MB`,
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

try {
  await build(outputPath(Deno.args));
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  write(Deno.stderr, `\nParley was not built. ${error.message}`);
  Deno.exitCode = 1;
}
