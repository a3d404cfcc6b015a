/** Parley for a benchmark: `server.ts DATA_DIR`; with `BENCH_LOG=off` it keeps no log of runs. */
import { LineWriter } from "../../src/observe/lines.ts";
import { replacing } from "../kit/stores.ts";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config/config.ts";
import { TOKENS } from "../kit/parley.ts";

const config = readConfig({
  flags: { data: Deno.args[0], listen: "127.0.0.1:0" },
  env: {
    ...Deno.env.toObject(),
    PARLEY_TOKENS: `alice=${TOKENS.alice}`,
    PARLEY_LIMIT_STREAMS_PER_USER: "10000",
    PARLEY_LIMIT_STREAMS: "10000",
    PARLEY_LIMIT_RUNS_PER_USER: "10000",
    PARLEY_LIMIT_RUNS: "10000",
  },
  readFile: Deno.readTextFileSync,
});
const lines = new LineWriter(Deno.stderr, String);
const parley = await createApp(config, new URL("../../migrations", import.meta.url).pathname, {
  demoPaceMs: 0,
  write: (line) => lines.write(line),
  ...(Deno.env.get("BENCH_LOG") === "off" && {
    stores: replacing(({ events }) => ({
      events: {
        append: (_, endings) =>
          endings.length > 0 ? events.append([], endings) : Promise.resolve(new Set()),
      },
    })),
  }),
});
const server = Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) =>
    Deno.stdout.writeSync(new TextEncoder().encode(`listens on http://127.0.0.1:${port}\n`)),
}, (request) => parley.app.fetch(request));
Deno.addSignalListener("SIGTERM", async () => {
  await parley.close();
  await server.shutdown();
  Deno.exit(0);
});
