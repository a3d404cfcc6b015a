import type { MessageStatus } from "./message.ts";

/** Where a run stands. The last four are its ends; nothing leaves them. */
export type RunState = "queued" | "running" | MessageStatus;

/** What can happen to a run. */
export type RunTransition = "start" | "complete" | "stop" | "interrupt" | "fail";

/**
 * Every move that a run can make; anything else is refused.
 *
 * - `start`: the chat is free, the provider is asked.
 * - `complete`: the model finished its answer.
 * - `stop`: a person, a deletion or a shutdown ended it.
 * - `interrupt`: the process that owned it is gone.
 * - `fail`: the provider, the storage or a deadline ended it, with a class.
 */
const TRANSITIONS = {
  queued: { start: "running", stop: "stopped" },
  running: { complete: "completed", stop: "stopped", interrupt: "interrupted", fail: "failed" },
  completed: {},
  stopped: {},
  interrupted: {},
  failed: {},
} as const satisfies Record<RunState, Partial<Record<RunTransition, RunState>>>;

/** The state after `transition`, or undefined where the run cannot make that move. */
export function nextState(state: RunState, transition: RunTransition): RunState | undefined {
  const moves: Partial<Record<RunTransition, RunState>> = TRANSITIONS[state];
  return moves[transition];
}

/** How a running run ends by that transition. */
export function endOf(transition: Exclude<RunTransition, "start">): MessageStatus {
  return TRANSITIONS.running[transition];
}

/** True for a state that nothing leaves. */
export function isEnded(state: RunState): state is MessageStatus {
  return Object.keys(TRANSITIONS[state]).length === 0;
}
