import type { MessageStatus } from "./message.ts";

/** Where a run stands. The last four are its ends; nothing leaves them. */
export type RunState = "running" | MessageStatus;

/** What can happen to a run. */
export type RunTransition = "complete" | "stop" | "interrupt" | "fail";

/**
 * Every move that a run can make; anything else is refused.
 *
 * - `complete`: the model finished its answer.
 * - `stop`: a person, a deletion or a shutdown ended it.
 * - `interrupt`: the process that owned it is gone.
 * - `fail`: the provider, the storage or a deadline ended it, with a class.
 */
const TRANSITIONS: Readonly<Record<RunState, Partial<Record<RunTransition, RunState>>>> = {
  running: {
    complete: "completed",
    stop: "stopped",
    interrupt: "interrupted",
    fail: "failed",
  },
  completed: {},
  stopped: {},
  interrupted: {},
  failed: {},
};

/** The state after `transition`, or undefined where the run cannot make that move. */
export function nextState(state: RunState, transition: RunTransition): RunState | undefined {
  return TRANSITIONS[state][transition];
}

/** True for a state that nothing leaves. */
export function isEnded(state: RunState): state is MessageStatus {
  return Object.keys(TRANSITIONS[state]).length === 0;
}
