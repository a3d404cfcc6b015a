import { run } from "./src/cli/run.ts";

// Here, so that the path holds from the source, from a bundle beside it, and inside the binary.
const migrations = `${import.meta.dirname}/migrations`;

if (import.meta.main) {
  const encoder = new TextEncoder();
  const code = await run({
    args: Deno.args,
    env: Deno.env.toObject(),
    migrations,
    print: (line) => Deno.stdout.writeSync(encoder.encode(`${line}\n`)),
    warn: (line) => Deno.stderr.writeSync(encoder.encode(`${line}\n`)),
    readFile: (path) => Deno.readTextFileSync(path),
  });
  Deno.exit(code);
}
