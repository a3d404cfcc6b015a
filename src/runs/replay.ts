/** Runs that are over, or another process's, as runs that can be subscribed to. */
import type { Clock } from "../domain/clock.ts";
import type { RunFailure } from "../domain/errors.ts";
import type { LoggedEvent, ProviderMetadata, RunEvent } from "../domain/event.ts";
import { isToolPart, type MessageStatus, toolNameOf, type ToolPart } from "../domain/message.ts";
import type {
  FoundRun,
  QueueStore,
  RunIdentity,
  RunRecord,
  RunStore,
  StoredMessage,
} from "../domain/ports.ts";
import type { RunState } from "../domain/run.ts";
import { addUsage, NO_USAGE } from "../domain/usage.ts";
import { LiveRun } from "./live_run.ts";

/** How many stored groups one read of a log brings. */
const LOG_PAGE = 200;

/** How often another process's run is looked at, in milliseconds. */
export const FOLLOW_EVERY = 200;

/** After how many looks that nobody waited for it is looked at no more. */
const MAX_IDLE = 25;

/** After how many looks in a row that failed its streams are ended. */
const MAX_FAILURES = 25;

/** A run whose log is in the store, up to the event `at.head`. */
export function loggedRun(
  identity: RunIdentity,
  runs: RunStore,
  at: { state: RunState; head: number },
): LiveRun {
  return new LiveRun(identity, (id, after) => runs.events(id, after, LOG_PAGE), at);
}

/** A run that is about to begin, or to go on behind the event `head`. */
export function queuedRun(identity: RunIdentity, runs: RunStore, head = 0): LiveRun {
  return loggedRun(identity, runs, { state: "queued", head });
}

/** Every event in a run's log. */
export async function readLog(runId: string, runs: RunStore): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (let after = 0;;) {
    const page = await runs.events(runId, after, LOG_PAGE);
    const last = page.at(-1);
    if (!last) return events;
    for (const { event } of page) events.push(event);
    after = last.seq;
  }
}

/** The answer that the run continues, as it was before; undefined where it makes a new one. */
export async function answerBefore(
  run: RunRecord,
  runs: RunStore,
): Promise<StoredMessage | undefined> {
  const answer = await runs.answer(run);
  return answer?.key === run.promptKey ? answer : undefined;
}

/** A run that has ended: from its log while that is kept, else made again from its message. */
export async function replayRun(
  { run, state, failure, lastSeq }: FoundRun,
  runs: RunStore,
): Promise<LiveRun> {
  if (lastSeq > 0) return loggedRun(run, runs, { state, head: lastSeq });
  const said = await runs.answer(run) ?? { ...run, ...NOTHING_SAID, id: run.messageId };
  const events = eventsOf({ ...said, status: state as MessageStatus }, failure);
  const logged = events.map((event, index): LoggedEvent => ({ seq: index + 1, event }));
  const live = new LiveRun(run, (_, after) => Promise.resolve(logged.slice(after)), {
    state,
    head: logged.length,
  });
  live.remade = true;
  return live;
}

/** What following needs. */
export interface FollowParts {
  runs: RunStore;
  queue: QueueStore;
  clock: Clock;
}

/**
 * Publishes what another process makes of a run, or will make of one that waits, until that is over,
 * nobody has read it for a while, or `over` is aborted.
 */
export async function follow(
  live: LiveRun,
  parts: FollowParts,
  over: AbortSignal,
): Promise<void> {
  let idle = 0;
  let failures = 0;
  while (idle < MAX_IDLE) {
    const seen = await look(live, parts).catch(() => undefined);
    if (over.aborted) return;
    failures = seen ? 0 : failures + 1;
    // Out of reach for long: who subscribed may come again.
    const ended = seen ? seen.ended : failures >= MAX_FAILURES;
    const events = seen?.events ?? [];
    if (events.length > 0 || ended) live.publish(events, ended);
    if (ended) return;
    await parts.clock.sleep(FOLLOW_EVERY, over).catch(() => {});
    if (over.aborted) return;
    idle = live.isWatched ? 0 : idle + 1;
  }
}

/** What is new of a run, and whether that is the last of it. */
async function look(
  { identity: { id, ownerId }, head }: LiveRun,
  { runs, queue }: FollowParts,
): Promise<{ events: RunEvent[]; ended: boolean }> {
  // The queue first: a message that begins in between is a run by then.
  const waits = head === 0 && await queue.find(ownerId, id) !== undefined;
  const state = (await runs.find(ownerId, id))?.state;
  const events = (await runs.events(id, head, LOG_PAGE)).map(({ event }) => event);
  return { events, ended: !waits && state !== "running" && events.length < LOG_PAGE };
}

/** What stands for the answer of a run that left none. */
const NOTHING_SAID = {
  parts: [{ type: "step-start" as const }],
  finishReason: null,
  usage: null,
};

/** The events that a stored message adds up from, to its end: with `failure`, that of a failed run. */
export function eventsOf(
  message: Omit<StoredMessage, "key" | "parentKey" | "role" | "metadata">,
  failure: RunFailure | null = null,
): RunEvent[] {
  const usage = message.usage ?? NO_USAGE;
  const model = message.model ?? "";
  const finishReason = message.finishReason ?? "other";
  const events: RunEvent[] = [{ type: "start", messageId: message.id, model }];
  let inStep = false;
  message.parts.forEach((part, index) => {
    const id = String(index);
    if (part.type === "step-start") {
      if (inStep) events.push({ type: "step-finish", finishReason, usage: NO_USAGE });
      inStep = true;
      events.push({ type: "step-start", messageId: message.id });
    } else if (part.type === "text") {
      events.push({ type: "text-start", id }, { type: "text-delta", id, text: part.text });
      events.push({ type: "text-end", id, ...metadata(part) });
    } else if (part.type === "reasoning") {
      events.push({ type: "reasoning-start", id, ...metadata(part) });
      if (part.text !== "") events.push({ type: "reasoning-delta", id, text: part.text });
      events.push({ type: "reasoning-end", id, ...metadata(part) });
    } else if (isToolPart(part)) {
      events.push(...toolEvents(part));
    } else if (
      part.type === "file" || part.type === "source-url" || part.type === "source-document"
    ) {
      events.push(part);
    }
  });
  if (failure) return [...events, { type: "error", failure, usage, model }];
  if (inStep) events.push({ type: "step-finish", finishReason, usage });
  const state = message.status === "failed" ? "interrupted" : message.status;
  events.push({ type: "finish", state, finishReason, usage: addUsage(NO_USAGE, usage), model });
  return events;
}

function toolEvents(
  part: ToolPart,
): RunEvent[] {
  const { toolCallId } = part;
  const toolName = toolNameOf(part);
  const declared = part.type === "dynamic-tool" ? {} : { declared: true as const };
  const executed = part.providerExecuted ? { providerExecuted: true as const } : {};
  const errorText = part.errorText ?? "";
  if (part.state === "output-error" && typeof part.input === "string") {
    const { input } = part;
    return [{
      type: "tool-input-error",
      toolCallId,
      toolName,
      input,
      errorText,
      ...executed,
      ...declared,
    }];
  }
  const called: RunEvent = {
    type: "tool-input",
    toolCallId,
    toolName,
    input: part.input === undefined ? {} : part.input,
    ...(part.callProviderMetadata && { providerMetadata: part.callProviderMetadata }),
    ...executed,
    ...declared,
  };
  switch (part.state) {
    case "output-available":
      return [called, {
        type: "tool-output",
        toolCallId,
        output: part.output ?? null,
        ...executed,
        ...declared,
      }];
    case "output-error":
      return [called, {
        type: "tool-output-error",
        toolCallId,
        errorText,
        ...executed,
        ...declared,
      }];
    default:
      return [called];
  }
}

function metadata({ providerMetadata }: { providerMetadata?: ProviderMetadata }) {
  return providerMetadata ? { providerMetadata } : {};
}
