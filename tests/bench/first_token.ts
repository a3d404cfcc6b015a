import { makeBed, type Plan } from "./bed.ts";
import { quantile, readDeltas, say } from "./measure.ts";

/** Requests of each kind. */
const ROUNDS = 200;

/**
 * How much later the first token of a chat's first message comes than from the provider itself, both
 * asked in turn in one run.
 */
export async function firstToken(): Promise<void> {
  await using bed = await makeBed();
  const plan: Plan = { deltas: 3, delayMs: 5 };
  const direct: number[] = [];
  const through: number[] = [];
  for (let round = -20; round < ROUNDS; round++) {
    const chat = await bed.newChat();
    const ours = await timeToFirst(() => bed.ask(chat, plan));
    const theirs = await timeToFirst(() => bed.askDirectly(plan));
    if (round < 0) continue;
    through.push(ours);
    direct.push(theirs);
  }
  say("first token, ms", "", "p50", "p99");
  say("provider asked directly", "", quantile(direct, 0.5), quantile(direct, 0.99));
  say("through Parley", "", quantile(through, 0.5), quantile(through, 0.99));
  say(
    "added (target 2.2 / 8)",
    "",
    quantile(through, 0.5) - quantile(direct, 0.5),
    quantile(through, 0.99) - quantile(direct, 0.99),
  );
}

/** Milliseconds to the first delta of what `ask` gives. */
export async function timeToFirst(ask: () => Promise<Response>): Promise<number> {
  const begun = performance.now();
  let first = 0;
  await readDeltas(await ask(), (_, at) => first ||= at - begun);
  return first;
}
