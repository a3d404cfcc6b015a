import type { Chat } from "../domain/chat.ts";
import type { Clock } from "../domain/clock.ts";
import { AppError, RunError } from "../domain/errors.ts";
import type { BusyPolicy, InterruptPolicy, LogDurability } from "../domain/policies.ts";
import type { FoundRun, KeyedSend, QueuedSend, QueueStore, RunStore } from "../domain/ports.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { CatalogModel, ModelCatalog } from "../models/catalog.ts";
import type { Logger } from "../observe/log.ts";
import { type Admission, type AdmissionParts, admit, type Send } from "./admission.ts";
import { type AnswerEnd, type AnswerJob, makeAnswer, StopRequested } from "./answer.ts";
import type { AttemptParts } from "./attempts.ts";
import type { ChatFeed } from "./feed.ts";
import { Leases } from "./leases.ts";
import { LiveRun } from "./live_run.ts";
import type { Namer } from "./namer.ts";
import type { SentMessage } from "./plan.ts";
import { recoverRuns } from "./recovery.ts";
import { followRun, LOG_PAGE, replayRun } from "./replay.ts";
import { RunLog } from "./run_log.ts";

/** What runs need. */
export interface RunsParts extends Omit<AdmissionParts, "leases">, AttemptParts {
  runs: RunStore;
  queue: QueueStore;
  catalog: ModelCatalog;
  namer: Namer;
  feed: ChatFeed;
  clock: Clock;
  log: Logger;
  /** The id of this process. */
  owner: string;
  /** True where other processes may use the same database. */
  shared: boolean;
  durability: LogDurability;
  onInterrupt: InterruptPolicy;
  /** The longest that a run may take, in milliseconds. */
  deadlineMs: number;
  /** Models to ask where one does not answer, by id. */
  fallbacks: Readonly<Record<string, string[]>>;
}

/** A message to be answered, as a request has it. */
export interface SendRequest {
  chat: Chat;
  message: SentMessage;
  model: string;
  thinking: boolean;
  busy: BusyPolicy;
  keyed: KeyedSend | undefined;
}

interface Active {
  live: LiveRun;
  abort: AbortController;
  /** Resolves when the run's ending is stored, or given up. */
  done: Promise<void>;
}

/** How many messages of a chat may wait. */
const QUEUE_LIMIT = 20;

/** How often a send that finds another run each time it looks is tried again. */
const SEND_TRIES = 10;

/** Owns the life of every run: it knows neither HTTP nor wire formats. */
export class Runs {
  readonly #parts: RunsParts;
  readonly #log: RunLog;
  readonly #leases: Leases;
  readonly #active = new Map<string, Active>();
  readonly #waiting = new Map<string, LiveRun>();
  #draining = false;

  constructor(parts: RunsParts) {
    this.#parts = parts;
    const { runs, clock, owner, shared } = parts;
    this.#log = new RunLog(
      runs,
      clock,
      parts.durability,
      (lives, error) => this.#onStorage(lives, error),
    );
    this.#leases = new Leases({
      runs,
      clock,
      owner,
      shared,
      onLost: (ids) => this.#onLost(ids),
      onSweep: () => this.recover(),
    });
  }

  /** Ends or takes up what processes before this one left behind. */
  async recover(): Promise<void> {
    const jobs = await recoverRuns({ ...this.#parts, leases: this.#leases });
    for (const job of jobs) this.#start(job);
    for (const chatId of await this.#parts.queue.chats()) await this.#startNext(chatId);
  }

  /** Keeps the leases of live runs until `close`. */
  keepLeases(): void {
    this.#leases.keep(() => this.#active.keys());
  }

  /**
   * Stores the message and starts its answer, or joins the run that answers it already. Resolves
   * once the message would survive a power cut; the run goes on whatever becomes of the caller.
   * @throws {AppError} with nothing stored: `bad_request` for an unknown model or a wrong id,
   * `conflict` while the chat has a live run, `unprocessable` for a key that came with something
   * else, `unavailable` during shutdown, `not_found` where the chat is gone.
   */
  async send(request: SendRequest): Promise<LiveRun> {
    const { catalog } = this.#parts;
    const model = await catalog.find(request.model);
    if (!model) throw new AppError("bad_request", "Model not found");
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      const repeated = request.keyed && await this.#repeated(request.chat, request.keyed);
      if (repeated) return repeated;
      if (this.#draining) throw shuttingDown();
      const live = await this.#trySend(request, model);
      if (live) return live;
    }
    throw busy(undefined);
  }

  /** The run with that id, wherever it stands; undefined where the owner has none. */
  async find(ownerId: string, runId: string): Promise<LiveRun | undefined> {
    const here = this.#active.get(runId)?.live ?? this.#waiting.get(runId);
    if (here) return here.identity.ownerId === ownerId ? here : undefined;
    const found = await this.#parts.runs.find(ownerId, runId);
    return found && this.#open(found);
  }

  /** The chat's live run; undefined while it is idle. */
  async live(chat: Chat): Promise<LiveRun | undefined> {
    const found = await this.#parts.runs.live(chat.ownerId, chat.id);
    return found && this.#open(found);
  }

  /** The chat's newest run, as long as its log is kept. */
  async latest(chat: Chat): Promise<LiveRun | undefined> {
    const found = await this.#parts.runs.latest(chat.ownerId, chat.id);
    return found && found.lastSeq > 0 ? this.#open(found) : undefined;
  }

  /**
   * Stops the chat's live run and waits until what it said is stored. With a run's id, only that
   * run. Resolves to the id of the run that it stopped; undefined where there was nothing to stop.
   */
  async stop(chatId: string, runId?: string): Promise<string | undefined> {
    const active = [...this.#active.values()].find(({ live }) => live.identity.chatId === chatId);
    if (!active || (runId !== undefined && active.live.identity.id !== runId)) return undefined;
    active.abort.abort(new StopRequested("stopped"));
    await active.done;
    return active.live.identity.id;
  }

  /** Stops what the chat does and ends what waits in it, for it is about to be deleted. */
  async abandon(chat: Chat): Promise<void> {
    for (const { run } of await this.queued(chat)) await this.cancel(chat, run.id);
    await this.stop(chat.id);
  }

  /** The messages of the chat that wait, in order. */
  queued(chat: Chat): Promise<QueuedSend[]> {
    return this.#parts.queue.list(chat.ownerId, chat.id);
  }

  /** Removes a message that waits; false where it does not, or not any more. */
  async cancel(chat: Chat, runId: string): Promise<boolean> {
    if (!await this.#parts.queue.remove(chat.ownerId, chat.id, runId)) return false;
    const live = this.#waiting.get(runId);
    if (live) this.#unqueue(live);
    return true;
  }

  /**
   * Takes no new runs, gives live ones `graceMs` to end, then stops them, and waits until all that
   * they said is stored. What waits in queues goes on at the next start.
   */
  async close(graceMs: number): Promise<void> {
    this.#draining = true;
    this.#leases.close();
    for (const live of this.#waiting.values()) live.publish([], true);
    const done = () => Promise.allSettled([...this.#active.values()].map((run) => run.done));
    if (this.#active.size > 0 && graceMs > 0) {
      const grace = new AbortController();
      const sleep = this.#parts.clock.sleep(graceMs, grace.signal).catch(() => {});
      await Promise.race([done(), sleep]);
      grace.abort();
    }
    for (const { abort } of this.#active.values()) abort.abort(new StopRequested("shutdown"));
    this.#log.close();
    await done();
    await this.#parts.namer.close();
  }

  async #trySend(request: SendRequest, model: CatalogModel): Promise<LiveRun | undefined> {
    const { chat } = request;
    const policy = request.busy;
    const send: Send = {
      chat,
      message: request.message,
      model,
      fallbacks: await this.#fallbacksOf(model),
      thinking: request.thinking,
      keyed: request.keyed,
    };
    // Whoever comes later must not overtake what waits.
    if (policy === "queue" && (await this.queued(chat)).length > 0) return this.#enqueue(send);
    const admission = await admit(send, { ...this.#parts, leases: this.#leases });
    if (admission.kind === "begun") {
      const live = this.#start(admission.job);
      // The provider is on its way already while the disk takes the message.
      await this.#parts.runs.durable();
      this.#parts.namer.name(chat, admission.plan.prompt, model);
      return live;
    }
    return await this.#whileBusy(send, admission, policy);
  }

  async #whileBusy(
    send: Send,
    { live, same }: Extract<Admission, { kind: "busy" }>,
    policy: BusyPolicy,
  ): Promise<LiveRun | undefined> {
    // It ended meanwhile, or the send's own key was what was known: look again.
    if (!live) return undefined;
    const { chat, keyed } = send;
    if (keyed && await this.#parts.runs.keyed(chat.id, keyed.key)) return undefined;
    if (same) return this.#open(live);
    if (policy === "reject") throw busy(live.run.id);
    if (policy === "queue") return await this.#enqueue(send);
    const stopped = await this.stop(chat.id, live.run.id);
    if (stopped === undefined && !this.#isHere(live)) throw busy(live.run.id);
    return undefined;
  }

  async #enqueue(send: Send): Promise<LiveRun | undefined> {
    const { queue, clock, ids } = this.#parts;
    const run = {
      id: ids.uuid(),
      chatId: send.chat.id,
      ownerId: send.chat.ownerId,
      messageId: ids.uuid(),
      model: send.model.id,
      createdAt: clock.now(),
    };
    const request = { message: send.message, thinking: send.thinking };
    const added = await queue.add({ run, request }, send.keyed, QUEUE_LIMIT);
    if (added === "repeated") return undefined;
    if (added === "full") {
      throw new AppError("too_many_requests", "Too many messages are waiting in this chat", {
        detail: `${QUEUE_LIMIT} may wait.`,
        retryAfter: 5,
      });
    }
    const live = this.#newLive(run, "queued");
    this.#waiting.set(run.id, live);
    await this.#startNext(run.chatId);
    return live;
  }

  /** Starts the message that waits longest, if the chat is free. */
  async #startNext(chatId: string): Promise<void> {
    const { queue, catalog } = this.#parts;
    if (this.#draining) return;
    const next = await queue.first(chatId);
    if (!next) return;
    const { run, request } = next;
    const model = await catalog.find(run.model) ?? missingModel(run.model);
    const send: Send = {
      chat: { id: run.chatId, ownerId: run.ownerId },
      message: request.message,
      model,
      fallbacks: await this.#fallbacksOf(model),
      thinking: request.thinking,
      keyed: undefined,
      identity: run,
    };
    const admission = await admit(send, { ...this.#parts, leases: this.#leases });
    if (admission.kind === "begun") this.#start(admission.job);
  }

  #start(job: Omit<AnswerJob, "live">): LiveRun {
    const { clock, deadlineMs, feed } = this.#parts;
    const { record } = job;
    const live = this.#waiting.get(record.id) ?? this.#newLive(record, "queued");
    this.#waiting.delete(record.id);
    live.move("start");
    if (job.continuation) live.head = job.continuation.head;
    const abort = new AbortController();
    const ended = new AbortController();
    clock.sleep(deadlineMs, ended.signal).then(() => abort.abort(deadline(deadlineMs)), () => {});
    const { id: runId, chatId, ownerId, model } = record;
    feed.publish(ownerId, { type: "run.started", chatId, runId, model });
    const done = makeAnswer({ ...job, live }, abort.signal, { ...this.#parts, log: this.#log })
      .then((end) => this.#onEnd(live, end))
      .catch((error) => this.#report("a run's ending is not stored", live, error))
      .finally(() => {
        ended.abort();
        this.#active.delete(runId);
      })
      .then(() => this.#startNext(chatId))
      .catch((error) => this.#report("the next message cannot be started", live, error));
    this.#active.set(runId, { live, abort, done });
    return live;
  }

  #newLive(identity: LiveRun["identity"], state: "queued"): LiveRun {
    const { runs } = this.#parts;
    return new LiveRun(identity, (id, after) => runs.events(id, after, LOG_PAGE), {
      state,
      head: 0,
    });
  }

  #unqueue(live: LiveRun): void {
    this.#waiting.delete(live.identity.id);
    live.move("stop");
    live.publish([], true);
  }

  async #repeated(chat: Chat, { key, hash }: KeyedSend): Promise<LiveRun | undefined> {
    const known = await this.#parts.runs.keyed(chat.id, key);
    if (!known) return undefined;
    if (known.hash !== hash) {
      throw new AppError("unprocessable", "This Idempotency-Key came with another message", {
        detail: "Send the same message again, or take a new key.",
        validations: [{ field: "Idempotency-Key", detail: "Expected a key that is new" }],
      });
    }
    const live = await this.find(chat.ownerId, known.runId);
    if (live) return live;
    throw new AppError("conflict", "The message of this Idempotency-Key was taken back", {
      detail: "It waited, and was removed before it was answered. Take a new key.",
    });
  }

  #open(found: FoundRun): LiveRun | Promise<LiveRun> {
    const { runs, clock } = this.#parts;
    const here = this.#active.get(found.run.id)?.live;
    if (here) return here;
    return found.state === "running" ? followRun(found, runs, clock) : replayRun(found, runs);
  }

  #isHere(found: FoundRun): boolean {
    return this.#active.has(found.run.id);
  }

  async #fallbacksOf(model: CatalogModel): Promise<CatalogModel[]> {
    const { catalog, fallbacks } = this.#parts;
    const found = await Promise.all((fallbacks[model.id] ?? []).map((id) => catalog.find(id)));
    return found.filter((model) => model !== undefined);
  }

  #onEnd(live: LiveRun, { state, failure, usage }: AnswerEnd): void {
    const { feed, log, clock } = this.#parts;
    const { id: runId, chatId, ownerId, model, createdAt } = live.identity;
    feed.publish(ownerId, { type: "run.ended", chatId, runId, state });
    log.log(failure ? "warn" : "info", "run", {
      run: runId,
      chat: chatId,
      model,
      state,
      failure: failure?.class,
      reason: failure?.message,
      ms: clock.now() - createdAt,
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
    });
  }

  #onLost(ids: Set<string>): void {
    const failure = {
      class: "internal" as const,
      message: "Another process has taken this run over.",
      retryable: true,
    };
    for (const id of ids) this.#active.get(id)?.abort.abort(new RunError(failure));
  }

  #onStorage(lives: LiveRun[], error: unknown): void {
    const failure = {
      class: "storage" as const,
      message: "Parley could not store the answer. What it had of it is kept as soon as it can be.",
      retryable: true,
    };
    for (const live of lives) {
      this.#report("a run's log cannot be stored", live, error);
      const usage = { ...NO_USAGE, estimated: true };
      live.publish([{ type: "error", failure, usage }], true);
      const abort = this.#active.get(live.identity.id)?.abort;
      abort?.abort(new RunError(failure, { cause: error }));
    }
  }

  #report(message: string, live: LiveRun, error: unknown): void {
    const reason = error instanceof AppError ? `${error.message}. ${error.detail}` : String(error);
    const { id: run, chatId: chat } = live.identity;
    this.#parts.log.log("error", message, { run, chat, reason });
  }
}

function busy(runId: string | undefined): AppError {
  return new AppError("conflict", "The chat is busy", {
    detail: runId === undefined
      ? "Another run was answering. Send again."
      : `Run ${runId} is answering. Wait for its end, stop it, or send with a busy policy.`,
    ...(runId !== undefined && { headers: { "parley-run-id": runId } }),
  });
}

function shuttingDown(): AppError {
  return new AppError("unavailable", "Parley is shutting down", { retryAfter: 5 });
}

function deadline(deadlineMs: number): RunError {
  return new RunError({
    class: "deadline",
    message: `The answer took longer than the ${deadlineMs / 1000} s that it may take.`,
    retryable: true,
  });
}

/** Stands for a model that was configured when a message was queued, and is no more. */
function missingModel(id: string): CatalogModel {
  const failure = {
    class: "internal" as const,
    message: `The model "${id}" is no longer configured.`,
    retryable: false,
  };
  return {
    id,
    modelId: id,
    displayName: id,
    provider: "none",
    type: "demo",
    languageModel: () => Promise.reject(new RunError(failure)),
  };
}
