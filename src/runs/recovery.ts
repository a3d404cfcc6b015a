import { assemble, Assembly } from "../domain/assembly.ts";
import { interruptedEnd } from "../domain/attempt.ts";
import type { RunEvent } from "../domain/event.ts";
import { messageText, saysAnything } from "../domain/message.ts";
import type { InterruptPolicy } from "../domain/policies.ts";
import type { FoundRun, Ledger, RunStore, StoredMessage } from "../domain/ports.ts";
import { endOf } from "../domain/run.ts";
import { estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import type { ModelCatalog } from "../models/catalog.ts";
import type { Logger } from "../observe/log.ts";
import { type AdmissionParts, makeStep } from "./admission.ts";
import { type AnswerJob, answerMessage, endEvents } from "./answer.ts";
import { newAttempt } from "./attempts.ts";
import { withFiles } from "./attachments.ts";
import { continuationOf } from "./continuation.ts";
import { answerBefore, readLog } from "./replay.ts";

/** What recovery needs. */
export interface RecoveryParts extends AdmissionParts {
  runs: RunStore;
  ledger: Ledger;
  catalog: ModelCatalog;
  log: Logger;
  onInterrupt: InterruptPolicy;
}

/**
 * Takes over the runs that another process left behind. Each becomes `interrupted`, and all of its
 * log, which is all that anyone saw, becomes its message; or, by policy and where the provider can,
 * it is given back as a job that goes on with it. `isOwn` tells of runs that this process makes, be
 * their leases as they may.
 */
export async function recoverRuns(
  parts: RecoveryParts,
  isOwn: (runId: string) => boolean,
): Promise<Omit<AnswerJob, "live">[]> {
  const { runs, ledger, leases, clock, log } = parts;
  const cutoff = leases.cutoff;
  const abandoned = await runs.abandoned(leases.owner, cutoff);
  const jobs: Omit<AnswerJob, "live">[] = [];
  // Nobody else asks for titles on a database of one's own.
  if (cutoff === undefined) {
    const now = clock.now();
    await ledger.closeTitles(now + 1, interruptedEnd(now));
  }
  for (const found of abandoned) {
    if (isOwn(found.run.id)) continue;
    if (!await runs.takeOver(found.run, leases.make(), cutoff)) continue;
    const events = await readLog(found.run.id, runs);
    const usage = usageOf(events);
    await ledger.closeOpen(found.run.id, interruptedEnd(clock.now(), usage));
    const before = await answerBefore(found.run, runs);
    const job = parts.onInterrupt === "continue" && !before
      ? await continueRun(found, events, parts)
      : null;
    if (job) jobs.push(job);
    else await interrupt(found, before, events, usage, parts);
    log.log("warn", job ? "a run is continued" : "a run was interrupted", { run: found.run.id });
  }
  return jobs;
}

async function interrupt(
  { run }: FoundRun,
  before: StoredMessage | undefined,
  events: readonly RunEvent[],
  usage: Usage,
  { runs, clock, ids }: RecoveryParts,
): Promise<void> {
  const assembly = new Assembly(before?.parts);
  for (const event of events) assembly.apply(event);
  const state = endOf("interrupt");
  const answer = { state, finishReason: "other" as const, usage };
  const end = [...assembly.closing(), ...endEvents(run, before, { ...answer, failure: null })]
    // A step that has not begun does not end.
    .filter(({ type }) => type !== "step-finish" || events.length > 0);
  const parts = assembly.parts({ ended: true });
  // More may have come since the run was found, up to the moment at which it was taken over.
  await runs.append([{ runId: run.id, first: events.length + 1, events: end }], [{
    run,
    state,
    failure: null,
    endedAt: clock.now(),
    message: saysAnything(parts)
      ? answerMessage(run, before, answer, {
        parts,
        key: ids.uuid(),
      })
      : null,
    attempt: null,
  }]);
  await runs.durable();
}

/** Only for a new answer: a provider takes no beginning of one behind the results of its calls. */
async function continueRun(
  { run }: FoundRun,
  events: readonly RunEvent[],
  parts: RecoveryParts,
): Promise<Omit<AnswerJob, "live"> | null> {
  const { catalog, messages, ledger, clock, ids } = parts;
  // What was asked for besides text is not stored.
  if (!run.textOnly) return null;
  const model = await catalog.find(run.model);
  const continuation = model && continuationOf(events, model.type);
  if (!model || !continuation) return null;
  const stored = await messages.history(run.ownerId, run.chatId);
  const history = await withFiles(stored, run.ownerId, parts.files);
  const step = makeStep(model, history, { thinking: false, tools: [], output: null }, parts);
  step.prompt.push({ role: "assistant", content: [{ type: "text", text: continuation.text }] });
  const attempt = newAttempt({ ...run, runId: run.id }, "retry", model, ids.uuid(), clock.now());
  await ledger.open(attempt);
  return { record: run, step, fallbacks: [], attempt, continuation };
}

/** What another process was paid for by its log alone. */
function usageOf(events: readonly RunEvent[]): Usage {
  const text = messageText({ parts: assemble(events, { ended: true }) });
  return { ...NO_USAGE, outputTokens: estimateTokens(text.length), estimated: true };
}
