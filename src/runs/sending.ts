/** How a send finds its run: a repeat joins one, a busy chat refuses, queues or interrupts. */
import type { Chat } from "../domain/chat.ts";
import { AppError } from "../domain/errors.ts";
import type { BusyPolicy } from "../domain/policies.ts";
import type { KeyedSend, QueuedSend } from "../domain/ports.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { CatalogModel, ModelCatalog } from "../models/catalog.ts";
import {
  type Admission,
  type AdmissionParts,
  admit,
  answersSame,
  checkSend,
  type Send,
} from "./admission.ts";
import type { Logger } from "../observe/log.ts";
import type { AnswerJob } from "./answer.ts";
import type { LiveRun } from "./live_run.ts";
import type { Namer } from "./namer.ts";
import type { Stopped } from "./others.ts";
import type { SentMessage } from "./plan.ts";
import { busy, isRefusal, otherMessage, shuttingDown, takenBack } from "./refusals.ts";
import { missingModel, type WaitingRuns } from "./waiting.ts";

/** What sending needs. */
export interface SendingParts extends AdmissionParts {
  catalog: ModelCatalog;
  namer: Namer;
  log: Logger;
  /** Models to ask where one does not answer, by id. */
  fallbacks: Readonly<Record<string, string[]>>;
}

/** A message to be answered, as a request has it. */
export interface SendRequest {
  chat: Chat;
  message: SentMessage;
  model: string;
  protocol: string;
  thinking: boolean;
  /** Tools that the client runs. */
  tools: ToolDefinition[];
  /** The JSON that the answer must be. */
  output: OutputFormat | null;
  busy: BusyPolicy;
  keyed: KeyedSend | undefined;
}

/** A send of a request, which has its whole chat. */
type ChatSend = Send & { chat: Chat };

/** How often a send that finds another run each time it looks is tried again. */
const SEND_TRIES = 10;

/** Milliseconds between two tries to start a message that waits. */
const RETRY = 1_000;

/** What sending asks of all runs. */
export interface SendingHost {
  waiting: WaitingRuns;
  /** Makes the answer of an admitted send. */
  start(job: Omit<AnswerJob, "live">): LiveRun;
  /** The run with that id, wherever it stands. */
  find(ownerId: string, runId: string): Promise<LiveRun | undefined>;
  /** Stops the chat's live run if it is that one, whichever process makes it. */
  stop(chat: Send["chat"], runId: string): Promise<Stopped | undefined>;
}

/** Takes what is sent. */
export class Sending {
  readonly #parts: SendingParts;
  readonly #host: SendingHost;
  readonly #ended = new AbortController();
  readonly #underWay = new Set<Promise<unknown>>();
  /** The chats in which a send stops the live run to have its turn before those that wait. */
  readonly #interrupting = new Map<string, number>();

  constructor(parts: SendingParts, host: SendingHost) {
    this.#parts = parts;
    this.#host = host;
  }

  /** As `Runs.send` promises. */
  send(request: SendRequest): Promise<LiveRun> {
    return this.track(this.#send(request));
  }

  async #send(request: SendRequest): Promise<LiveRun> {
    const model = await this.#parts.catalog.find(request.model);
    if (!model) throw new AppError("bad_request", "Model not found");
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      const repeated = request.keyed && await this.#repeated(request.chat, request.keyed);
      if (repeated) return await this.#acknowledged(repeated);
      if (this.closed) throw shuttingDown();
      const live = await this.#trySend(request, model);
      if (live) return live;
    }
    throw busy(undefined);
  }

  /**
   * Starts the message that waits longest, if the chat is free. Where it cannot be started, that is
   * tried until it can, without the caller's waiting for it.
   */
  async goOn(chatId: string): Promise<void> {
    try {
      await this.track(this.#startNext(chatId));
    } catch (error) {
      this.#parts.log.log("error", "the next message cannot be started", {
        chat: chatId,
        reason: String(error),
      });
      this.#parts.clock.sleep(RETRY, this.#ended.signal).then(() => this.goOn(chatId), () => {});
    }
  }

  async #startNext(chatId: string): Promise<void> {
    while (!this.closed && !this.#interrupting.has(chatId)) {
      const next = await this.#parts.queue.first(chatId);
      if (!next) return;
      try {
        const admission = await this.#admitQueued(next);
        if (admission.kind === "begun") this.#host.start(admission.job);
        return;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // The chat has changed since it came: it must not hold up those behind it.
        await this.#host.waiting.refuse(next.run, error);
      }
    }
  }

  /** True once no new sends are taken. */
  get closed(): boolean {
    return this.#ended.signal.aborted;
  }

  /** Takes no new sends; what is on its way, or waits, may still be joined. */
  close(): void {
    this.#ended.abort();
  }

  /** Remembers what may begin a run until it has settled. */
  async track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Resolves when all that may begin a run has settled. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #admitQueued({ run, request }: QueuedSend): Promise<Admission> {
    const model = await this.#parts.catalog.find(run.model) ?? missingModel(run.model);
    const send = {
      chat: { id: run.chatId, ownerId: run.ownerId },
      ...request,
      isFirst: false,
      protocol: run.protocol,
      model,
      fallbacks: await this.#fallbacksOf(model),
      keyed: undefined,
      identity: run,
    };
    return await admit(send, this.#parts);
  }

  async #trySend(request: SendRequest, model: CatalogModel): Promise<LiveRun | undefined> {
    const { chat } = request;
    const send: ChatSend = {
      ...request,
      isFirst: chat.leafKey === null,
      model,
      fallbacks: await this.#fallbacksOf(model),
    };
    if (request.busy === "queue" && (await this.#host.waiting.list(chat)).length > 0) {
      // Whoever comes later must not overtake what waits.
      return await this.#joined(send) ?? await this.#enqueue(send);
    }
    const admission = await admit(send, this.#parts);
    if (admission.kind === "busy") return await this.#whileBusy(send, admission, request.busy);
    return await this.#begun(send, admission);
  }

  async #begun(
    { chat, model }: ChatSend,
    { job, plan }: Extract<Admission, { kind: "begun" }>,
  ): Promise<LiveRun> {
    const live = this.#host.start(job);
    // The provider is on its way already while the disk takes the message.
    await this.#parts.runs.durable();
    this.#parts.namer.name(chat, plan.prompt, model);
    return live;
  }

  async #whileBusy(
    send: ChatSend,
    { live }: Extract<Admission, { kind: "busy" }>,
    policy: BusyPolicy,
  ): Promise<LiveRun | undefined> {
    const { chat, keyed } = send;
    // It ended meanwhile: look again.
    if (!live) return undefined;
    const joined = await this.#joined(send);
    if (joined) return joined;
    // The send's own key was what was known.
    if (keyed && await this.#parts.runs.keyed(chat.id, keyed.key)) return undefined;
    if (policy === "queue") return await this.#enqueue(send);
    if (policy === "reject") throw busy(live.run.id);
    return await this.#interrupt(send, live.run.id);
  }

  /** Stops the run and has the send's turn before that of those that wait. */
  async #interrupt(send: ChatSend, runId: string): Promise<LiveRun | undefined> {
    const { chat } = send;
    const interrupting = this.#interrupting;
    interrupting.set(chat.id, (interrupting.get(chat.id) ?? 0) + 1);
    try {
      const stopped = await this.#host.stop(chat, runId);
      // What is gone by now has ended by itself.
      if (stopped?.ended === false) throw busy(runId);
      const admission = await admit(send, this.#parts);
      return admission.kind === "begun" ? await this.#begun(send, admission) : undefined;
    } finally {
      const left = interrupting.get(chat.id)! - 1;
      if (left > 0) interrupting.set(chat.id, left);
      else interrupting.delete(chat.id);
      // Those that wait were told nothing of the run that has ended.
      if (left === 0) this.goOn(chat.id);
    }
  }

  /** The run that answers this very message already, or will. */
  async #joined({ chat, message, keyed }: Send): Promise<LiveRun | undefined> {
    const { runs } = this.#parts;
    const live = await runs.live(chat.ownerId, chat.id);
    const isSame = live && await answersSame(live, message, this.#parts);
    const run = isSame ? live.run : (await this.#host.waiting.same(chat, message))?.run;
    if (!run) return undefined;
    // Its key is now good for a run that another send began.
    if (keyed && !await runs.keepKey(keyed, run)) return undefined;
    const joined = await this.#host.find(chat.ownerId, run.id);
    return joined && await this.#acknowledged(joined);
  }

  /** A repeat is told no sooner than the first that its message would survive a power cut. */
  async #acknowledged(live: LiveRun): Promise<LiveRun> {
    await this.#parts.runs.durable();
    return live;
  }

  async #enqueue(send: Send): Promise<LiveRun | undefined> {
    await checkSend(send, this.#parts);
    const live = await this.#host.waiting.add(send);
    // It may be free by now, and nobody else would notice.
    if (live) this.goOn(send.chat.id);
    return live;
  }

  async #repeated(chat: Chat, { key, hash }: KeyedSend): Promise<LiveRun | undefined> {
    const known = await this.#parts.runs.keyed(chat.id, key);
    if (!known) return undefined;
    if (known.hash !== hash) throw otherMessage();
    const live = await this.#host.find(chat.ownerId, known.runId);
    if (live) return live;
    throw takenBack();
  }

  async #fallbacksOf(model: CatalogModel): Promise<CatalogModel[]> {
    const { catalog, fallbacks } = this.#parts;
    const found = await Promise.all((fallbacks[model.id] ?? []).map((id) => catalog.find(id)));
    return found.filter((model) => model !== undefined);
  }
}
