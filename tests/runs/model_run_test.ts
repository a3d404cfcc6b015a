/** P12: a run ends in one of four ways, and nothing leaves an end. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  endOf,
  isEnded,
  nextState,
  type RunState,
  type RunTransition,
} from "../../src/domain/run.ts";
import { casesOf } from "../kit/random.ts";

const STATES = ["queued", "running", "completed", "stopped", "interrupted", "failed"] as const;
const TRANSITIONS = ["start", "complete", "stop", "interrupt", "fail"] as const;
const ENDS = ["completed", "stopped", "interrupted", "failed"] as const;

/** By state: what each transition leads to, in the order of `TRANSITIONS`; a dash: it is refused. */
const EXPECTED: Record<RunState, string> = {
  //           start   complete  stop    interrupt   fail
  queued: "    running -         stopped -           -",
  running: "   -       completed stopped interrupted failed",
  completed: " -       -         -       -           -",
  stopped: "   -       -         -       -           -",
  interrupted: "-      -         -       -           -",
  failed: "    -       -         -       -           -",
};

function expected(state: RunState, transition: RunTransition): string | undefined {
  const row = EXPECTED[state].trim().split(/\s+/);
  const cell = row[TRANSITIONS.indexOf(transition)];
  return cell === "-" ? undefined : cell;
}

for (const state of STATES) {
  for (const transition of TRANSITIONS) {
    const to = expected(state, transition);
    Deno.test(`a run that is ${state}: ${transition} ${to ? `makes it ${to}` : "is refused"}`, () => {
      assertEquals(nextState(state, transition), to);
    });
  }
}

Deno.test("four states are ends, and each transition out of running gives one", () => {
  assertEquals(STATES.filter(isEnded), [...ENDS]);
  for (const transition of TRANSITIONS) {
    if (transition === "start") continue;
    assertEquals(endOf(transition), expected("running", transition));
  }
});

Deno.test("no sequence leaves an end, and each legal one ends at most once", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...TRANSITIONS), { maxLength: 30 }), (transitions) => {
      let state: RunState = "queued";
      let ends = 0;
      for (const transition of transitions) {
        const next = nextState(state, transition);
        if (next === undefined) continue;
        assert(!isEnded(state), `${state} was left by ${transition}`);
        state = next;
        if (isEnded(state)) ends++;
      }
      assertEquals(ends, isEnded(state) ? 1 : 0);
    }),
    { numRuns: casesOf(10_000) },
  );
});
