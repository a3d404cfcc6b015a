import type { Attempt } from "../domain/attempt.ts";
import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { AppError, RunError } from "../domain/errors.ts";
import { messageText } from "../domain/message.ts";
import type { ChatStore, Ledger, MessageStore, RunRecord, RunStore } from "../domain/ports.ts";
import type { ModelCall, Step } from "../models/call.ts";
import type { CatalogModel, ModelCatalog } from "../models/catalog.ts";
import type { Logger } from "../observe/log.ts";
import { makeAnswer, StopRequested } from "./answer.ts";
import { LiveRun } from "./live_run.ts";
import { nameChat } from "./namer.ts";
import { planSend, type SendPlan, type SentMessage } from "./plan.ts";
import { buildPrompt } from "./prompt.ts";
import { RunLog } from "./run_log.ts";

/** What runs need. */
export interface RunsParts {
  chats: ChatStore;
  messages: MessageStore;
  runs: RunStore;
  ledger: Ledger;
  catalog: ModelCatalog;
  call: ModelCall;
  clock: Clock;
  ids: IdGenerator;
  log: Logger;
  systemPrompt: string | undefined;
  titleModel: string | undefined;
  /** The most tokens of an answer; undefined for the provider's own limit. */
  outputTokens: number | undefined;
  /** The longest that a run may take, in milliseconds. */
  deadlineMs: number;
}

/** A message to be answered. */
export interface SendRequest {
  chat: Chat;
  message: SentMessage;
  model: string;
  thinking: boolean;
}

interface Active {
  live: LiveRun;
  abort: AbortController;
  /** Resolves when the run's ending is stored, or given up. */
  done: Promise<void>;
}

/** How many stored groups one read of a log brings. */
const LOG_PAGE = 200;

/** How often a send that met another change of the chat is tried again. */
const SEND_TRIES = 5;

/** Owns the life of every run: it knows neither HTTP nor wire formats. */
export class Runs {
  readonly #parts: RunsParts;
  readonly #log: RunLog;
  readonly #active = new Map<string, Active>();
  readonly #naming = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(parts: RunsParts) {
    this.#parts = parts;
    this.#log = new RunLog(parts.runs, parts.clock, (runs, error) => this.#onStorage(runs, error));
  }

  /**
   * Stores the message and starts its answer. Resolves once the message would survive a power cut;
   * the run goes on whatever becomes of the caller.
   * @throws {AppError} with nothing stored: `bad_request` for an unknown model or a wrong id,
   * `conflict` while the chat has a live run, `not_found` where the chat is gone.
   */
  async send(request: SendRequest): Promise<LiveRun> {
    const model = await this.#parts.catalog.find(request.model);
    if (!model) throw new AppError("bad_request", "Model not found");
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      const live = await this.#trySend(request, model);
      if (live) return live;
    }
    throw new AppError("not_found", "Chat not found");
  }

  /** Stops the chat's live run, where this process has it. Resolves when its end is stored. */
  async stopChat(chatId: string): Promise<void> {
    for (const { live, abort, done } of this.#active.values()) {
      if (live.record.chatId !== chatId) continue;
      abort.abort(new StopRequested("the chat is deleted"));
      await done;
    }
  }

  /** Stops all runs, keeps what they have, and waits until that is stored. */
  async close(): Promise<void> {
    this.#closing.abort(new StopRequested("Parley is shutting down"));
    for (const { abort } of this.#active.values()) abort.abort(this.#closing.signal.reason);
    const done = [...this.#active.values()].map((active) => active.done);
    this.#log.close();
    await Promise.allSettled([...done, ...this.#naming]);
  }

  async #trySend(request: SendRequest, model: CatalogModel): Promise<LiveRun | undefined> {
    const { messages, runs, clock, ids, systemPrompt, outputTokens } = this.#parts;
    const { chat } = request;
    const history = await messages.history(chat.ownerId, chat.id);
    const now = clock.now();
    const plan = planSend(history, request.message, { key: ids.uuid(), now });
    const run: RunRecord = {
      id: ids.uuid(),
      chatId: chat.id,
      ownerId: chat.ownerId,
      promptKey: plan.prompt.key,
      messageId: ids.uuid(),
      model: model.id,
      createdAt: now,
    };
    const attempt = openingAttempt(run, model, ids.uuid());
    const begun = await runs.begin({
      run,
      message: plan.isNew ? plan.prompt : null,
      leafKey: history.at(-1)?.key ?? null,
      attempt,
    });
    if (begun === "busy") throw await this.#busy(chat);
    if (begun === "moved") return undefined;
    const step: Step = {
      model,
      prompt: buildPrompt(plan.branch, { type: model.type, system: systemPrompt }),
      thinking: request.thinking,
      ...(outputTokens !== undefined && { maxOutputTokens: outputTokens }),
    };
    const live = this.#start(run, step, attempt);
    // The provider is on its way already while the disk takes the message.
    await runs.durable();
    this.#name(chat, plan, model);
    return live;
  }

  #start(record: RunRecord, step: Step, attempt: Attempt): LiveRun {
    const { runs, clock, ids, call, deadlineMs } = this.#parts;
    const live = new LiveRun(record, (runId, after) => runs.events(runId, after, LOG_PAGE));
    const abort = new AbortController();
    if (this.#closing.signal.aborted) abort.abort(this.#closing.signal.reason);
    const ended = new AbortController();
    clock.sleep(deadlineMs, ended.signal).then(() => abort.abort(deadline(deadlineMs)), () => {});
    const parts = { call, log: this.#log, clock, ids };
    const done = makeAnswer(live, step, attempt, abort.signal, parts)
      .catch((error) => this.#report("a run's ending is not stored", record, error))
      .finally(() => {
        ended.abort();
        this.#active.delete(record.id);
      });
    this.#active.set(record.id, { live, abort, done });
    return live;
  }

  #name(chat: Chat, plan: SendPlan, model: CatalogModel): void {
    if (plan.prompt.parentKey !== null || chat.title !== DEFAULT_TITLE) return;
    const naming = nameChat(
      chat,
      messageText(plan.prompt),
      model,
      this.#closing.signal,
      this.#parts,
    ).finally(() => this.#naming.delete(naming));
    this.#naming.add(naming);
  }

  async #busy(chat: Chat): Promise<AppError> {
    const live = await this.#parts.runs.live(chat.ownerId, chat.id);
    return new AppError("conflict", "The chat is busy", {
      detail: live
        ? `Run ${live.id} is answering. Wait for its end, then send again.`
        : "Another run was answering. Send again.",
      ...(live && { headers: { "parley-run-id": live.id } }),
    });
  }

  #onStorage(lives: LiveRun[], error: unknown): void {
    const failure = {
      class: "storage" as const,
      message: "Parley could not store the answer. What it had of it is kept as soon as it can be.",
      retryable: true,
    };
    for (const live of lives) {
      this.#report("a run's log cannot be stored", live.record, error);
      const usage = {
        inputTokens: 0,
        outputTokens: 0,
        cachedTokens: 0,
        reasoningTokens: 0,
        estimated: true,
      };
      live.publish([{ type: "error", failure, usage }], true);
      this.#active.get(live.record.id)?.abort.abort(new RunError(failure, { cause: error }));
    }
  }

  #report(message: string, run: RunRecord, error: unknown): void {
    const reason = error instanceof AppError ? `${error.message}. ${error.detail}` : String(error);
    this.#parts.log.log("error", message, { run: run.id, chat: run.chatId, reason });
  }
}

function openingAttempt(run: RunRecord, model: CatalogModel, id: string): Attempt {
  return {
    id,
    runId: run.id,
    chatId: run.chatId,
    ownerId: run.ownerId,
    kind: "answer",
    provider: model.provider,
    model: model.modelId,
    startedAt: run.createdAt,
  };
}

function deadline(deadlineMs: number): RunError {
  return new RunError({
    class: "deadline",
    message: `The answer took longer than the ${deadlineMs / 1000} s that it may take.`,
    retryable: true,
  });
}
