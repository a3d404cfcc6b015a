import { run } from "./src/cli/run.ts";

// Resolved here, so that the path works from source, from a bundle, and inside the binary.
const migrations = `${import.meta.dirname}/migrations`;

if (import.meta.main) {
  const code = await run({
    args: Deno.args,
    env: Deno.env.toObject(),
    migrations,
    print: (line) => write(Deno.stdout, line),
    warn: (line) => write(Deno.stderr, line),
    stderr: Deno.stderr,
    readFile: (path) => Deno.readTextFileSync(path),
  });
  Deno.exit(code);
}

/** Writes a line, unless nobody takes it or a disk is full. */
function write(to: typeof Deno.stdout | typeof Deno.stderr, line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
  } catch {
    // There is nowhere to say it.
  }
}
