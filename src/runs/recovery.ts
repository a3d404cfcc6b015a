import type { JournaledCall } from "../domain/approval.ts";
import { interruptedEnd } from "../domain/attempt.ts";
import type { AbandonedRun, StoredMessage } from "../domain/records.ts";
import { endOf } from "../domain/run.ts";
import { estimateTokens } from "../domain/usage.ts";
import { newAttempt } from "./attempts.ts";
import { continuationOf } from "./continuation.ts";
import { endEvents, endingOf, type RunEnd } from "./ending.ts";
import type { Lanes } from "./lanes.ts";
import { leftCalls } from "./left_calls.ts";
import type { Parts } from "./parts.ts";
import { Remains } from "./remains.ts";
import { answerBefore } from "./replay.ts";
import type { RunJob } from "./run_job.ts";
import type { Sending } from "./sending.ts";
import { Pauses } from "../domain/pauses.ts";

type Needed = Pick<
  Parts,
  | "runs"
  | "events"
  | "attempts"
  | "disk"
  | "ownership"
  | "conversation"
  | "catalog"
  | "clock"
  | "ids"
  | "logger"
  | "onInterrupt"
  | "unattended"
  | "toolCalls"
  | "approvalMs"
>;

/** Milliseconds after which a run is tried again that could not be recovered. */
const RETRY = 500;

/** What reading or writing throws that is damaged, or nested too deep: it stays so. */
const DAMAGED = [SyntaxError, RangeError, TypeError];

/**
 * Takes over the runs that nobody makes any more. Each becomes `interrupted`, and its log, which is all
 * that anyone saw, becomes its message; or, by policy and if the provider can, it goes on. That happens
 * chat by chat, beside the requests: one that concerns a chat whose turn has not come waits for it.
 */
export class Recovery {
  /** The recoveries under way, by chat. */
  readonly #working = new Map<string, Promise<void>>();
  /** The runs that are this process's, and could not be recovered yet. */
  readonly #failed = new Set<AbandonedRun>();
  readonly #pauses = new Pauses();
  readonly #closed = new AbortController();
  /** True once every run was looked at that was left before this process began. */
  #isThrough = false;
  #retrying: Promise<void> | undefined;

  /** `isOwn` tells of runs that this process makes, whatever their leases say. */
  constructor(
    private readonly parts: Needed,
    private readonly sending: Sending,
    private readonly lanes: Lanes,
    private readonly isOwn: (runId: string) => boolean,
  ) {}

  /** Recovers all that is left, in short turns. */
  async sweep(): Promise<void> {
    for (let after = ""; !this.#closed.signal.aborted;) {
      const page = await this.parts.ownership.abandoned({ after });
      for (const found of page) {
        await this.#takeUp(found);
        await this.#pauses.next();
      }
      const last = page.at(-1);
      if (!last) break;
      after = last.run.chatId;
    }
    this.#isThrough = true;
  }

  /**
   * Recovers the chat's run now, if one was left that is still to be recovered, and resolves once that
   * would survive a power cut. If it cannot be stored, the chat stays as it was left.
   */
  async settle(chatId: string): Promise<void> {
    if (this.#isThrough) return;
    const [found] = await this.parts.ownership.abandoned({ chatId });
    const working = found ? this.#takeUp(found) : this.#working.get(chatId);
    if (!working) return;
    await working;
    await this.parts.disk.durable();
  }

  /** How many runs are still to be recovered that were left before this process began. */
  async left(): Promise<number> {
    const unseen = this.#isThrough ? 0 : await this.parts.ownership.countAbandoned();
    return this.#failed.size + unseen;
  }

  /** Begins nothing more; resolves once nothing is under way. */
  async close(): Promise<void> {
    this.#closed.abort(new Error("Parley is shutting down"));
    await Promise.all(this.#working.values());
    await this.#retrying;
  }

  /** Recovers a run unless that is being done, or was done since it was found. Never rejects. */
  #takeUp(found: AbandonedRun): Promise<void> {
    const { chatId } = found.run;
    const known = this.#working.get(chatId);
    if (known) return known;
    const working = this.lanes.take(chatId, () => this.#recover(found))
      .finally(() => this.#working.delete(chatId));
    this.#working.set(chatId, working);
    return working;
  }

  async #recover(found: AbandonedRun): Promise<void> {
    const { run } = found;
    if (this.#closed.signal.aborted || this.isOwn(run.id)) return;
    try {
      if (
        !this.#failed.has(found) && (await this.parts.ownership.takeOver([run.id])).length === 0
      ) {
        return;
      }
      await this.#endOrContinue(found);
      this.#failed.delete(found);
    } catch (error) {
      if (!this.#failed.has(found)) {
        const fields = { run: run.id, chat: run.chatId, reason: String(error) };
        this.parts.logger.log("error", "a run cannot be recovered", fields);
      }
      this.#failed.add(found);
      this.#retrying ??= this.#retry().finally(() => this.#retrying = undefined);
    }
  }

  async #retry(): Promise<void> {
    while (this.#failed.size > 0) {
      await this.parts.clock.sleep(RETRY, this.#closed.signal).catch(() => {});
      for (const found of [...this.#failed]) {
        if (this.#closed.signal.aborted) return;
        await this.#takeUp(found);
        this.sending.goOn(found.run);
        await this.#pauses.next();
      }
    }
  }

  async #endOrContinue(found: AbandonedRun): Promise<void> {
    const { runs, events, onInterrupt, logger } = this.parts;
    const { run } = found;
    const before = await unlessDamaged(answerBefore(run, runs));
    const remains = await this.#read(found, before);
    const journal = await this.parts.toolCalls.ofRun(run.id);
    const { places } = this.sending;
    const goesOn = onInterrupt === "continue" && !before && !remains.isDamaged &&
      journal.length === 0 && places.has(run.ownerId);
    using place = new DisposableStack();
    if (goesOn) place.defer(places.take(run.ownerId));
    const job = goesOn ? await continueRun(run, remains, this.parts) : undefined;
    if (job) this.sending.start(job, place);
    else {
      const { group, ending } = interruption(run, before, remains, journal, this.parts);
      const stored = await unlessDamaged(events.append([group], [ending]));
      if (!stored) await events.append([group], [{ ...ending, message: null }]);
    }
    logger.log("warn", job ? "a run is continued" : "a run was interrupted", {
      run: run.id,
      ...(remains.isDamaged && { reason: "a part of its log cannot be kept" }),
    });
  }

  /** Its log, page by page, as far as it can be read and fits. */
  async #read(
    { run, askedTokens }: AbandonedRun,
    before: StoredMessage | undefined,
  ): Promise<Remains> {
    const { runs, events } = this.parts;
    const remains = new Remains(before?.parts, askedTokens);
    for (;;) {
      const page = await unlessDamaged(events.read(run.id, remains.head));
      if (page?.length === 0) return remains;
      for (const logged of page ?? []) remains.add(logged);
      if (!page || remains.isFull) {
        remains.skipTo((await runs.find(run.ownerId, run.id))?.lastSeq ?? 0);
        return remains;
      }
      await this.#pauses.next();
    }
  }
}

/** What the storage gives, or undefined if it can never give it. */
async function unlessDamaged<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (DAMAGED.some((kind) => error instanceof kind)) return undefined;
    throw error;
  }
}

function interruption(
  run: AbandonedRun["run"],
  before: StoredMessage | undefined,
  { assembly, head, usage, serverCalls }: Remains,
  journal: JournaledCall[],
  { clock, ids, approvalMs }: Needed,
) {
  const end: RunEnd = {
    state: endOf("interrupt"),
    finishReason: "other",
    failure: null,
    ...usage,
    model: run.model,
  };
  // The calls of the answer know it by its key.
  const key = before?.key ?? journal[0]?.messageKey ?? ids.uuid();
  const endedAt = clock.now();
  const renewal = { key, now: endedAt, approvalMs, newId: () => ids.uuid(), serverCalls };
  const calls = leftCalls(run, journal, assembly.parts({ ended: false }), renewal);
  for (const event of calls.events) assembly.apply(event);
  const closing = [...calls.events, ...assembly.closing(), ...endEvents(end, before, assembly)];
  const ending = endingOf({
    run,
    before,
    end,
    parts: assembly.parts({ ended: true }),
    key,
    endedAt,
    attempt: { end: interruptedEnd(endedAt, forLedger(end)) },
    calls: { begun: "unknown", asked: calls.asked },
  });
  return { group: { runId: run.id, first: head + 1, events: closing }, ending };
}

/** Only for a new answer: a provider takes no beginning of one behind the results of its calls. */
async function continueRun(
  run: AbandonedRun["run"],
  remains: Remains,
  { catalog, conversation, attempts, clock, ids, unattended }: Needed,
): Promise<RunJob | undefined> {
  // What was asked for besides text is not stored.
  if (!run.textOnly) return undefined;
  const model = await catalog.find(run.model).catch(() => undefined);
  const continuation = model && continuationOf(remains, model.type);
  const prompt = await conversation.message(run.chatId, run.promptKey);
  if (!model || !continuation || !prompt) return undefined;
  await attempts.closeOpen(run.id, interruptedEnd(clock.now(), forLedger(remains.usage)));
  const whose = { ...run, runId: run.id };
  const asked = estimateTokens(continuation.text.length);
  const attempt = newAttempt(whose, "retry", model, asked, ids.uuid(), clock.now());
  if (!await attempts.open(attempt)) return undefined;
  const request = {
    models: [model] as const,
    thinking: false,
    tools: [],
    output: null,
    unattended,
  };
  return { record: run, request, prompt, attempt, continuation };
}

/** The ledger wants the output of the whole run: it knows what the closed attempts had of it. */
function forLedger({ usage, stepUsage }: Pick<RunEnd, "usage" | "stepUsage">) {
  return { ...stepUsage, outputTokens: usage.outputTokens };
}
