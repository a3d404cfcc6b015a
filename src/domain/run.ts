import type { MessageStatus } from "./message.ts";

/** The state of a run. The last four are final. */
export type RunState = "queued" | "running" | MessageStatus;

/** The events that change a run's state. */
export type RunTransition = "start" | "complete" | "stop" | "interrupt" | "fail";

/**
 * Every change of a run's state; any other is refused.
 *
 * - `start`: the chat is free, and the request goes out.
 * - `complete`: the model finished its answer.
 * - `stop`: a user, a deletion or a shutdown ended it.
 * - `interrupt`: the process that owned it is gone.
 * - `fail`: the provider, the storage or a deadline ended it.
 */
const TRANSITIONS = {
  queued: { start: "running", stop: "stopped" },
  running: { complete: "completed", stop: "stopped", interrupt: "interrupted", fail: "failed" },
  completed: {},
  stopped: {},
  interrupted: {},
  failed: {},
} as const satisfies Record<RunState, Partial<Record<RunTransition, RunState>>>;

/** The state after `transition`, or undefined if it cannot happen in `state`. */
export function nextState(state: RunState, transition: RunTransition): RunState | undefined {
  const moves: Partial<Record<RunTransition, RunState>> = TRANSITIONS[state];
  return moves[transition];
}

/** The state in which a transition ends a running run. */
export function endOf(transition: Exclude<RunTransition, "start">): MessageStatus {
  return TRANSITIONS.running[transition];
}

/** The transition that ends a running run in that state. */
export function transitionTo(state: MessageStatus): RunTransition {
  const moves = Object.entries(TRANSITIONS.running) as [RunTransition, MessageStatus][];
  return moves.find(([, to]) => to === state)![0];
}

/** True for a final state. */
export function isEnded(state: RunState): state is MessageStatus {
  return Object.keys(TRANSITIONS[state]).length === 0;
}
