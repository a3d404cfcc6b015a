/**
 * The benchmarks: `deno task bench` runs all, `deno task bench first-token throughput` some. Each
 * compares Parley with direct requests to the provider: compare figures only within one run.
 */
import { encode } from "./encode.ts";
import { firstToken } from "./first_token.ts";
import { lists, memory } from "./lists.ts";
import { logCost } from "./log_cost.ts";
import { longChat } from "./long_chat.ts";
import { paced } from "./paced.ts";
import { throughput } from "./throughput.ts";

const BENCHES: Record<string, () => Promise<void>> = {
  "first-token": firstToken,
  throughput,
  paced,
  "log-cost": logCost,
  lists,
  memory,
  encode,
  "long-chat": longChat,
};

const names = Deno.args.length > 0 ? Deno.args : Object.keys(BENCHES);
for (const name of names) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`no bench ${name}: expected ${Object.keys(BENCHES).join(", ")}`);
  await bench();
}
Deno.exit(0);
