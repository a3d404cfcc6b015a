import { makeBed, type Plan } from "./bed.ts";
import { quantile, say } from "./measure.ts";
import type { OnDeltas } from "./reader.ts";

/** Requests of each kind. */
const ROUNDS = 200;

/**
 * Compares the time to the first token of a chat's first message: through Parley, from the provider
 * directly, and through an app that only forwards it, in turn within one run.
 */
export async function firstToken(): Promise<void> {
  await using bed = await makeBed();
  const plan: Plan = { deltas: 3, delayMs: 5 };
  const direct: number[] = [];
  const piped: number[] = [];
  const through: number[] = [];
  for (let round = -100; round < ROUNDS; round++) {
    const chat = await bed.newChat();
    const ours = await timeToFirst((onDeltas) => bed.ask(chat, plan, onDeltas));
    const peers = await timeToFirst((onDeltas) => bed.askPeer(plan, onDeltas));
    const theirs = await timeToFirst((onDeltas) => bed.askDirectly(plan, onDeltas));
    if (round < 0) continue;
    through.push(ours);
    piped.push(peers);
    direct.push(theirs);
  }
  say("first token, ms", "", "p50", "p99");
  say("provider directly", "", quantile(direct, 0.5), quantile(direct, 0.99));
  say("through a bare Hono app", "", quantile(piped, 0.5), quantile(piped, 0.99));
  say("through Parley", "", quantile(through, 0.5), quantile(through, 0.99));
  say(
    "added (target 2.2 / 8)",
    "",
    quantile(through, 0.5) - quantile(direct, 0.5),
    quantile(through, 0.99) - quantile(direct, 0.99),
  );
}

/** Milliseconds until the first delta from `ask`. */
export async function timeToFirst(
  ask: (onDeltas: OnDeltas) => Promise<unknown>,
): Promise<number> {
  const begun = performance.now();
  let first = 0;
  await ask((_, at) => first ||= at - begun);
  return first;
}
