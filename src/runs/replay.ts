/** Runs that are stored, as streams that can be subscribed to. */
import type { RunFailure } from "../domain/errors.ts";
import type { LoggedEvent, ProviderMetadata, RunEvent } from "../domain/event.ts";
import { isToolPart, type MessageStatus, toolNameOf, type ToolPart } from "../domain/message.ts";
import type { Parts } from "./parts.ts";
import { whileAway } from "./patience.ts";
import type { FoundRun, RunIdentity, RunRecord, StoredMessage } from "../domain/records.ts";
import { addUsage, NO_USAGE } from "../domain/usage.ts";
import { RunStream } from "./run_stream.ts";

/** The stream of a run whose log is in the store up to the event `head`. */
export function loggedRun(
  identity: RunIdentity,
  { events, clock }: Pick<Parts, "events" | "clock">,
  at: { head: number; closed: boolean },
): RunStream {
  const read = (id: string, after: number) => whileAway(() => events.read(id, after), clock);
  return new RunStream(identity, read, at);
}

/** The answer that the run continues, as it was before; undefined if the run makes a new one. */
export async function answerBefore(
  run: RunRecord,
  runs: Parts["runs"],
): Promise<StoredMessage | undefined> {
  const answer = await runs.answer(run);
  return answer?.key === run.promptKey ? answer : undefined;
}

/** A run that has ended: from its log while that is kept, else made again from its message. */
export async function replayRun(
  { run, state, failure, lastSeq }: FoundRun,
  parts: Pick<Parts, "runs" | "events" | "clock">,
): Promise<RunStream> {
  if (lastSeq > 0) return loggedRun(run, parts, { head: lastSeq, closed: true });
  const said = await parts.runs.answer(run) ?? { ...run, ...NOTHING_SAID, id: run.messageId };
  const stream = knownRun(run, eventsOf({ ...said, status: state as MessageStatus }, failure));
  stream.remade = true;
  return stream;
}

/** The stream of a run that is over, from its events. */
export function knownRun(identity: RunIdentity, events: readonly RunEvent[]): RunStream {
  const logged = events.map((event, index): LoggedEvent => ({ seq: index + 1, event }));
  return new RunStream(identity, (_, after) => Promise.resolve(logged.slice(after)), {
    head: logged.length,
    closed: true,
  });
}

/** Stands for the answer of a run that left none. */
const NOTHING_SAID = {
  parts: [{ type: "step-start" as const }],
  finishReason: null,
  usage: null,
};

/** The events that make up a stored message, to its end; with `failure`, that of a failed run. */
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
    case "output-denied":
      return [called, ...askedFor(part), {
        type: "tool-output-denied",
        toolCallId,
        ...(part.approval?.reason !== undefined && { reason: part.approval.reason }),
      }];
    default:
      return [called, ...askedFor(part)];
  }
}

function askedFor({ toolCallId, approval }: ToolPart): RunEvent[] {
  return approval ? [{ type: "tool-approval-request", toolCallId, approvalId: approval.id }] : [];
}

function metadata({ providerMetadata }: { providerMetadata?: ProviderMetadata }) {
  return providerMetadata ? { providerMetadata } : {};
}
