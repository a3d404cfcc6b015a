/**
 * The benches: `deno task bench` for all, `deno task bench first-token throughput` for some. Each sets
 * Parley beside the provider asked directly, in one run: compare within a run, not between runs.
 */
import { encode } from "./encode.ts";
import { firstToken } from "./first_token.ts";
import { lists, memory } from "./lists.ts";
import { logCost } from "./log_cost.ts";
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
};

const names = Deno.args.length > 0 ? Deno.args : Object.keys(BENCHES);
for (const name of names) {
  const bench = BENCHES[name];
  if (!bench) throw new Error(`no bench ${name}: expected ${Object.keys(BENCHES).join(", ")}`);
  await bench();
}
Deno.exit(0);
