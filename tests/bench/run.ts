/**
 * The benchmarks: `deno task bench` runs all, `deno task bench table encode` some. Compare figures only
 * within one run.
 */
import { encode } from "./encode.ts";
import { growth } from "./growth.ts";
import { logCost } from "./log_cost.ts";
import { longChat } from "./long_chat.ts";
import { table } from "./table.ts";
import { tools } from "./tools.ts";

const BENCHES: Record<string, () => Promise<void>> = {
  table,
  "log-cost": logCost,
  encode,
  "long-chat": longChat,
  growth,
  tools,
};

const names = Deno.args.length > 0 ? Deno.args : Object.keys(BENCHES);
for (const name of names) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`no bench ${name}: expected ${Object.keys(BENCHES).join(", ")}`);
  await bench();
}
Deno.exit(0);
