import { assemble } from "../domain/assembly.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import type { RunEvent } from "../domain/event.ts";
import { messageText } from "../domain/message.ts";
import type { RunRecord, RunStore } from "../domain/ports.ts";
import { estimateTokens, NO_USAGE } from "../domain/usage.ts";
import type { Logger } from "../observe/log.ts";

/** What recovery needs. */
export interface RecoveryParts {
  runs: RunStore;
  clock: Clock;
  ids: IdGenerator;
  log: Logger;
}

/** How many stored groups one read of a log brings. */
const LOG_PAGE = 1_000;

/**
 * Ends the runs that a process before this one left behind: each becomes `interrupted`, and all of
 * its log, which is all that anyone saw, becomes its message.
 */
export async function recoverRuns(parts: RecoveryParts): Promise<void> {
  const runs = await parts.runs.unfinished();
  for (const run of runs) await interrupt(run, parts);
  if (runs.length > 0) parts.log.log("warn", "runs were interrupted", { count: runs.length });
}

async function interrupt(run: RunRecord, { runs, clock, ids }: RecoveryParts): Promise<void> {
  const events = await readLog(run.id, runs);
  const parts = assemble(events, { ended: true });
  const usage = {
    ...NO_USAGE,
    outputTokens: estimateTokens(messageText({ parts }).length),
    estimated: true,
  };
  const endedAt = clock.now();
  await runs.append([], [{
    run,
    state: "interrupted",
    failure: null,
    endedAt,
    message: parts.some((part) => part.type !== "step-start")
      ? {
        key: ids.uuid(),
        parentKey: run.promptKey,
        id: run.messageId,
        role: "assistant",
        parts,
        metadata: {},
        status: "interrupted",
        model: run.model,
        finishReason: "other",
        usage,
        createdAt: run.createdAt,
      }
      : null,
    attempt: null,
  }]);
}

async function readLog(runId: string, runs: RunStore): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for (let after = 0;;) {
    const page = await runs.events(runId, after, LOG_PAGE);
    const last = page.at(-1);
    if (!last) return events;
    events.push(...page.map(({ event }) => event));
    after = last.seq;
  }
}
