/** How a send finds its run: a repeat joins one, a busy chat refuses, queues or interrupts. */
import type { Chat } from "../domain/chat.ts";
import { AppError, LateError, shuttingDown } from "../domain/errors.ts";
import { Places } from "../domain/places.ts";
import type { ChatState, QueuedSend, RunRecord, StoredMessage } from "../domain/records.ts";
import type { ActiveRuns } from "./active.ts";
import { admit, type ChatSend, type Look, modelsOf, planOf, type Send } from "./admission.ts";
import { Backlog, type OwnedChat } from "./backlog.ts";
import type { Lanes } from "./lanes.ts";
import { lookAt } from "./look.ts";
import type { Parts } from "./parts.ts";
import { sameContent, type SentMessage } from "./plan.ts";
import { missingModel, type Queues } from "./queue.ts";
import type { Reading } from "./reading.ts";
import { busy, chatGone, isRefusal, otherMessage, takenBack } from "./refusals.ts";
import { loggedRun } from "./replay.ts";
import type { RunJob } from "./run_job.ts";
import type { RunStream } from "./run_stream.ts";

type Needed =
  & Parameters<typeof admit>[2]
  & Parameters<typeof modelsOf>[1]
  & Pick<
    Parts,
    "conversation" | "events" | "keys" | "queue" | "disk" | "logger" | "runLimits"
  >;

/** The run that a send led to. */
export interface Sent {
  stream: RunStream;
  /** The chat as it was before the message, if this send began the run. */
  begun?: { chat: Chat; prompt: StoredMessage };
}

/** How often a send that meets a change by another process is tried again. */
const TRIES = 5;

/** Milliseconds between two attempts to start a queued message. */
const RETRY = 1_000;

/** Takes what is sent and starts its runs. Every method that changes a chat runs in its lane. */
export class Sending {
  /** One for each run, from before it is stored until its ending is. */
  readonly places: Places;
  /** The chats whose next message waits for a place. */
  readonly backlog: Backlog;
  /** The queued messages that could not be begun once. */
  readonly #failed = new Set<string>();
  /** The chats whose next message cannot be started: that is told once. */
  readonly #stuck = new Set<string>();
  readonly #closed = new AbortController();

  constructor(
    private readonly parts: Needed,
    private readonly lanes: Lanes,
    private readonly active: ActiveRuns,
    private readonly queues: Queues,
    private readonly reading: Reading,
  ) {
    this.places = new Places(parts.runLimits, "live answers");
    this.backlog = new Backlog(this.places, (chat) => this.goOn(chat));
  }

  /**
   * Stores the message and starts its run, queues it, or joins the run that answers it already. To be
   * called in the chat's lane.
   */
  async send(send: ChatSend): Promise<Sent> {
    const { chat } = send;
    using place = new DisposableStack();
    for (let isIn = false, tries = 0; tries < TRIES; tries++) {
      const look = await lookAt(send, this.parts);
      if (!look) throw chatGone();
      const known = await this.#joinKeyed(send, look.keyed);
      if (known) return { stream: known };
      if (this.isClosed) throw shuttingDown();
      const { state } = look;
      const joined = await this.#join(send, state);
      if (joined) return { stream: joined };
      if (send.busy === "queue" && (state.live || state.waiting > 0)) {
        const stream = await this.#enqueue(send, look);
        if (stream) return { stream };
      } else if (send.busy === "reject" && state.waiting > 0 && !state.isHeld && !state.live) {
        // Its turn comes behind those that were taken before it.
        throw busy(undefined);
      } else if (state.live) {
        await this.#checkWay(send, look, state.live.run.id);
        // Whoever else asks for a place meanwhile, this gets that of the run that it ends.
        if (!isIn) place.defer(this.places.take(chat.ownerId));
        isIn = true;
        await this.#makeWay(state.live.run);
      } else {
        if (!isIn) place.defer(this.places.enter(chat.ownerId));
        isIn = true;
        const job = await this.#admit(send, look, place);
        if (job) {
          return { stream: this.start(job, place), begun: { chat: look.chat, prompt: job.prompt } };
        }
      }
    }
    throw busy(undefined);
  }

  /**
   * Starts the message whose turn is next, if the chat is free. What cannot be started now is tried until
   * it can, or is refused, without the caller waiting for it.
   */
  async goOn(chat: OwnedChat): Promise<void> {
    const { chatId } = chat;
    try {
      await this.lanes.take(chatId, () => this.#startNext(chatId));
      this.#stuck.delete(chatId);
    } catch (error) {
      const fields = { chat: chatId, reason: String(error) };
      if (!this.#stuck.has(chatId)) {
        this.parts.logger.log("error", "the next message cannot be started", fields);
      }
      this.#stuck.add(chatId);
      this.parts.clock.sleep(RETRY, this.#closed.signal).then(() => this.goOn(chat), () => {});
    }
  }

  /** Makes a run that is stored, and gives its place back once its ending is stored, too. */
  start(job: RunJob, place: DisposableStack): RunStream {
    const { record, continuation } = job;
    const stream = this.queues.take(record.id) ??
      loggedRun(record, this.parts, { head: continuation?.head ?? 0, closed: false });
    const run = this.active.start(job, stream);
    const held = place.move();
    run.ended.then(() => {
      held.dispose();
      this.goOn(record);
      this.backlog.next();
    });
    return stream;
  }

  /** Takes no new sends; queued messages stay queued. */
  close(): void {
    this.#closed.abort(new Error("Parley is shutting down"));
    this.backlog.close();
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** The job of a send whose run has begun; undefined if its chat has changed since it was read. */
  async #admit(
    send: Send,
    look: Look,
    place: DisposableStack,
  ): Promise<RunJob | undefined> {
    const admission = await admit(send, look, this.parts);
    if (admission.kind === "begun") return admission.job;
    if (admission.kind !== "unknown") return undefined;
    const { job, error } = admission;
    this.#settle(job, place.move(), error).catch(() => {});
    throw error;
  }

  async #enqueue(send: ChatSend, look: Look): Promise<RunStream | undefined> {
    await planOf(send, look, this.parts);
    const stream = await this.queues.add(send).catch((error) => {
      const goOn = () => this.goOn({ chatId: send.chat.id, ownerId: send.chat.ownerId });
      if (error instanceof LateError) error.settled.then(goOn);
      throw error;
    });
    // Another process may have ended the live run, or the queue was held.
    if (stream) this.goOn(stream.identity);
    return stream;
  }

  /** Throws if the live run is not to be ended for this send. */
  async #checkWay(send: ChatSend, look: Look, liveId: string): Promise<void> {
    if (send.busy === "reject") throw busy(liveId);
    // A message that the chat cannot take must not end the run.
    await planOf(send, look, this.parts);
  }

  /** Stops the live run for a send that interrupts. The queue's turn comes behind it in the lane. */
  async #makeWay(live: RunRecord): Promise<void> {
    const stopped = await this.active.stopAnywhere(live);
    if (stopped?.ended === false) throw busy(live.id);
  }

  /** The run that answers this very message already, or will. */
  async #join(
    { chat, message, keyed }: ChatSend,
    { live, waiting }: ChatState,
  ): Promise<RunStream | undefined> {
    const isSame = live && await this.#answersSame(live.run, message);
    const queued = !isSame && waiting > 0 ? await this.queues.same(chat, message) : undefined;
    const run = isSame ? live.run : queued?.run;
    if (!run) return undefined;
    // The key is now good for a run that another send began.
    if (keyed && !await this.parts.keys.keep(keyed, run)) {
      return await this.#joinKeyed({ chat, keyed }, await this.parts.keys.find(chat.id, keyed.key));
    }
    const stream = await this.reading.find(chat.ownerId, run.id);
    if (queued && await this.parts.queue.isHeld(chat.ownerId, chat.id)) {
      await this.parts.queue.hold(chat.ownerId, chat.id, false);
      this.goOn(run);
    }
    return stream;
  }

  async #answersSame(run: RunRecord, sent: SentMessage): Promise<boolean> {
    if (sent.role === "assistant") return run.messageId === sent.id;
    const prompt = await this.parts.conversation.message(run.chatId, run.promptKey);
    return prompt !== undefined && prompt.id === sent.id && sameContent(prompt, sent);
  }

  /** The run of the send's `Idempotency-Key`, if that is known. */
  async #joinKeyed(
    { chat, keyed }: Pick<ChatSend, "chat" | "keyed">,
    known: Look["keyed"],
  ): Promise<RunStream | undefined> {
    if (!known || !keyed) return undefined;
    if (known.hash !== keyed.hash) throw otherMessage();
    const stream = await this.reading.find(chat.ownerId, known.runId);
    if (stream) return stream;
    throw takenBack();
  }

  async #startNext(chatId: string): Promise<void> {
    for (let moved = 0; !this.isClosed;) {
      const next = await this.parts.queue.next(chatId);
      if (!next) return;
      const { id } = next.run;
      try {
        if (await this.#startQueued(next)) return;
        // Another process changed the chat, or took this very message.
        if (++moved === TRIES) throw new AppError("unavailable", "The chat keeps changing");
      } catch (error) {
        if (!this.#isFinal(error, id)) throw error;
        // It must not hold up those behind it.
        await this.queues.refuse(next.run, error);
      }
      this.#failed.delete(id);
    }
  }

  /** True if a message that could not be begun is not to be tried again. */
  #isFinal(error: unknown, runId: string): boolean {
    // The chat has changed since the message came.
    if (isRefusal(error)) return true;
    // The database may be out of reach for long: that is no fault of the message.
    if (error instanceof AppError || this.isClosed) return false;
    if (this.#failed.has(runId)) return true;
    this.#failed.add(runId);
    return false;
  }

  /** True if there is nothing more to do now; false if the chat has changed since it was read. */
  async #startQueued({ run, request }: QueuedSend): Promise<boolean> {
    const chat = { id: run.chatId, ownerId: run.ownerId };
    const models = await modelsOf(run.model, this.parts) ?? [missingModel(run.model)] as const;
    const { protocol } = run;
    const over = this.#closed.signal;
    const send = { ...request, chat, models, protocol, keyed: undefined, queued: run, over };
    const look = await lookAt(send, this.parts);
    if (!look || look.state.live) return true;
    // Nothing is begun, and paid for, that may be lost.
    await this.parts.disk.durable();
    const leave = this.backlog.enter(run);
    if (!leave) return true;
    using place = new DisposableStack();
    place.defer(leave);
    const job = await this.#admit(send, look, place);
    if (job) this.start(job, place);
    return job !== undefined;
  }

  /** Makes a run that may have begun, as soon as the database says so. */
  async #settle(job: RunJob, held: DisposableStack, error: unknown): Promise<void> {
    using place = new DisposableStack();
    const { runs, clock } = this.parts;
    const { id, ownerId, chatId } = job.record;
    place.use(held);
    if (error instanceof LateError) {
      held.dispose();
      await error.settled;
      place.defer(this.places.take(ownerId));
    }
    for (;;) {
      await clock.sleep(RETRY, this.#closed.signal);
      try {
        const found = await runs.find(ownerId, id);
        if (found?.state !== "running") return;
        return await this.lanes.take(chatId, async () => {
          if (!this.active.get(id)) await this.start(job, place);
        });
      } catch {
        // Still out of reach.
      }
    }
  }
}
