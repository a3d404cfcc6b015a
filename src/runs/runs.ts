import type { ApprovalAnswer } from "../domain/approval.ts";
import type { Chat } from "../domain/chat.ts";
import { settlesWithin } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import type { WaitingChat } from "../domain/ports.ts";
import type { BusyPolicy, QueueOnStop } from "../domain/policies.ts";
import type { ChatState, QueuedSend } from "../domain/records.ts";
import { ActiveRuns } from "./active.ts";
import { modelsOf, type Send } from "./admission.ts";
import { type Approved, Approving } from "./approving.ts";
import { Lanes } from "./lanes.ts";
import { Namer } from "./namer.ts";
import type { Stopped } from "./ownership.ts";
import type { Parts } from "./parts.ts";
import { Queues } from "./queue.ts";
import { Reading } from "./reading.ts";
import { Recovery } from "./recovery.ts";
import { busy, chatGone } from "./refusals.ts";
import type { RunStream } from "./run_stream.ts";
import { Sending } from "./sending.ts";
import { Pauses } from "../domain/pauses.ts";
import { refuseUnreadable } from "./attachments.ts";

/** Milliseconds after which a first look at what was left is tried again. */
const RETRY = 1_000;

/** A message to be answered, as a request has it. */
export interface SendRequest extends Omit<Send, "chat" | "models" | "queued"> {
  chat: Pick<Chat, "id" | "ownerId">;
  /** The id of a model. */
  model: string;
  busy: BusyPolicy;
}

/** What a stop came to. */
export interface StopResult {
  /** Undefined if there was nothing to stop. */
  stopped: Stopped | undefined;
  /** True if messages wait in the queue and are held there. */
  held: boolean;
}

/** The queue of a chat. */
export interface ChatQueue {
  held: boolean;
  /** In the order of their turns. */
  waiting: QueuedSend[];
}

/** Owns the life of every run: it knows neither HTTP nor wire formats. */
export class Runs {
  readonly #parts: Parts;
  readonly #lanes = new Lanes();
  readonly #active: ActiveRuns;
  readonly #queues: Queues;
  readonly #reading: Reading;
  readonly #sending: Sending;
  readonly #approving: Approving;
  readonly #namer: Namer;
  readonly #recovery: Recovery;
  readonly #closed = new AbortController();
  #sweeping: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#namer = new Namer(parts);
    this.#active = new ActiveRuns(parts);
    this.#queues = new Queues(parts);
    this.#reading = new Reading(parts, this.#active, this.#queues);
    this.#sending = new Sending(parts, this.#lanes, this.#active, this.#queues, this.#reading);
    this.#approving = new Approving(parts, this.#lanes, this.#active, this.#sending);
    const isOwn = (runId: string) => this.#active.get(runId) !== undefined;
    this.#recovery = new Recovery(parts, this.#sending, this.#lanes, isOwn);
  }

  /**
   * Keeps the claims on runs until `close`, and begins, beside the requests, to end or take up what
   * processes before this one left.
   */
  open(): void {
    const round = () => this.#sweeping ??= this.#sweep().finally(() => this.#sweeping = undefined);
    this.#parts.ownership.keep(this.#active, round);
    const first = async (): Promise<void> => {
      await round().catch(async (error) => {
        const { clock, logger } = this.#parts;
        if (this.#closed.signal.aborted) return;
        logger.log("error", "what was left cannot be read", { reason: String(error) });
        await clock.sleep(RETRY, this.#closed.signal).then(first, () => {});
      });
    };
    // After a timer, so that the server listens first.
    setTimeout(first, 0);
  }

  /**
   * Resolves once nothing is left of a former process in that chat: to be called before the chat is read
   * or changed.
   */
  settle(chatId: string): Promise<void> {
    return this.#recovery.settle(chatId);
  }

  /** How many runs of former processes are still to be ended or taken up. */
  left(): Promise<number> {
    return this.#recovery.left();
  }

  /**
   * Stores the message and starts its answer, or joins the run that answers it already. Resolves
   * once the message would survive a power cut; the run goes on whatever the caller does.
   * @throws {AppError} with nothing stored: `bad_request` for an unknown model or a wrong id,
   * `conflict` while the chat has a live run, `unprocessable` for a key that came with another
   * message, `unavailable` during shutdown, `not_found` if the chat is gone.
   */
  async send({ model, ...request }: SendRequest): Promise<RunStream> {
    const models = await modelsOf(model, this.#parts);
    if (!models) throw new AppError("bad_request", "Model not found");
    const { chat } = request;
    const owned = { chatId: chat.id, ownerId: chat.ownerId };
    await refuseUnreadable(request.message, models[0], owned, this.#parts.files);
    const send = { ...request, models };
    const { stream, begun } = await this.#lanes.take(
      request.chat.id,
      () => this.#sending.send(send),
    );
    // The provider is asked while the disk takes the message. A repeat waits, too.
    await this.#parts.disk.durable();
    if (begun) this.#namer.name(begun.chat, begun.prompt, models[0]);
    return stream;
  }

  /** See `Approving.answer`. Resolves once the answer would survive a power cut. */
  async approve(ownerId: string, answer: Omit<ApprovalAnswer, "answeredAt">): Promise<Approved> {
    const asked = await this.#parts.toolCalls.find(ownerId, answer.id);
    // What a crash left of the chat asks anew, so that this one waits no more.
    if (asked) await this.settle(asked.chatId);
    const approved = await this.#approving.answer(ownerId, answer);
    await this.#parts.disk.durable();
    this.#active.tell(ownerId, {
      type: "approval.answered",
      chatId: approved.call.chatId,
      approvalId: answer.id,
      approved: answer.approved,
    });
    return approved;
  }

  /** The stream of the owner's run with that id; undefined if there is none. */
  find(ownerId: string, runId: string): Promise<RunStream | undefined> {
    return this.#reading.find(ownerId, runId);
  }

  /** The chat's leaf and live run, read at the same moment; undefined if the chat is gone. */
  current({ ownerId, id }: Chat): Promise<ChatState | undefined> {
    return this.#parts.runs.current(ownerId, id);
  }

  /** The stream of the chat's live run; undefined while the chat is idle. */
  live(chat: Chat): Promise<RunStream | undefined> {
    return this.#reading.live(chat);
  }

  /**
   * Stops the chat's live run, whichever process makes it, and waits until what it said is stored.
   * With a run's id, only that run. What waits in the queue is held, or goes on.
   */
  stop(chat: Chat, runId: string | undefined, queue: QueueOnStop): Promise<StopResult> {
    return this.#lanes.take(chat.id, async () => {
      const stopping = this.#active.stop(chat.id, runId);
      const live = stopping
        ? undefined
        : (await this.#parts.runs.current(chat.ownerId, chat.id))?.live?.run;
      const isLive = live !== undefined && (runId === undefined || live.id === runId);
      // A stale stop changes nothing.
      const isMeant = stopping !== undefined || isLive || runId === undefined;
      const held = queue === "hold" && isMeant &&
        await this.#parts.queue.hold(chat.ownerId, chat.id, true);
      const stopped = isLive ? await this.#parts.ownership.stop(live) : await stopping;
      return { stopped, held };
    });
  }

  /**
   * Makes the newest branch through a message the active one. Undefined if the chat has no message
   * with that key.
   * @throws {AppError} `conflict` while the chat has a live run.
   */
  choose(chat: Chat, key: string): Promise<Chat | undefined> {
    return this.#lanes.take(chat.id, async () => {
      const { conversation, chats, runs, clock } = this.#parts;
      const leaf = await conversation.leafBehind(chat.id, key);
      if (leaf === undefined) return undefined;
      const chosen = await chats.choose(chat.ownerId, chat.id, leaf, clock.now());
      if (chosen) return chosen;
      const state = await runs.current(chat.ownerId, chat.id);
      if (!state) throw chatGone();
      throw busy(state.live?.run.id);
    });
  }

  /** Deletes the chat: stops its run, empties its queue, removes what is stored. False if it is gone. */
  delete(chat: Chat): Promise<boolean> {
    return this.#lanes.take(chat.id, async () => {
      const { runs, chats } = this.#parts;
      await this.#queues.clear(chat);
      const live = (await runs.current(chat.ownerId, chat.id))?.live;
      if (live) await this.#active.stopAnywhere(live.run);
      const isDeleted = await chats.delete(chat.ownerId, chat.id);
      this.#queues.end(chat.id);
      await this.#parts.toolbox.leave(chat.id);
      await this.#removeRest();
      return isDeleted;
    });
  }

  /** The chat's queue. */
  async queue({ ownerId, id }: Chat): Promise<ChatQueue> {
    const { queue } = this.#parts;
    return { waiting: await queue.list(ownerId, id), held: await queue.isHeld(ownerId, id) };
  }

  /** Lets a held queue go on. */
  async release(chat: Chat): Promise<void> {
    await this.#parts.queue.hold(chat.ownerId, chat.id, false);
    await this.#sending.goOn({ ownerId: chat.ownerId, chatId: chat.id });
  }

  /** Removes a queued message; false if it is not queued, or no longer. */
  cancel(chat: Chat, runId: string): Promise<boolean> {
    return this.#lanes.take(chat.id, () => this.#queues.cancel(chat, runId));
  }

  /**
   * Takes no new runs, gives live ones `graceMs` to end, then stops them, and waits until all that
   * they said is stored. Queued messages go on at the next start.
   */
  async close(graceMs: number): Promise<void> {
    this.#closed.abort();
    this.#sending.close();
    await this.#recovery.close();
    await this.#sweeping?.catch(() => {});
    const left = await this.#settleLanes(graceMs);
    this.#queues.close();
    await this.#active.close(left);
    // A send that took longer may have begun another run.
    await this.#lanes.settled();
    await this.#active.close(0);
    // Until here the runs are this process's.
    this.#parts.ownership.close();
    this.#reading.close();
    await this.#namer.close();
  }

  /** What is being begun has its time, too. Resolves to what is left of it, in milliseconds. */
  async #settleLanes(graceMs: number): Promise<number> {
    const { clock } = this.#parts;
    const begun = clock.elapsed();
    if (graceMs > 0) await settlesWithin(this.#lanes.settled(), graceMs, clock);
    return Math.max(0, graceMs - (clock.elapsed() - begun));
  }

  /** Waits for it, so that who deletes a large chat finds the space; if it fails, upkeep does it later. */
  async #removeRest(): Promise<void> {
    const { chats, logger } = this.#parts;
    try {
      for await (const _ of chats.removeRest());
    } catch (error) {
      logger.log("warn", "a deleted chat is not removed yet", { reason: String(error) });
    }
  }

  /** Takes up the runs that are left, and then what waits in idle chats, in short turns. */
  async #sweep(): Promise<void> {
    await this.#recovery.sweep();
    const pauses = new Pauses();
    let last: Pick<WaitingChat, "ownerId" | "chatId"> | undefined = { ownerId: "", chatId: "" };
    while (last && !this.#closed.signal.aborted) {
      const page: WaitingChat[] = await this.#parts.queue.waiting(last);
      for (const chat of page) if (chat.isReady) this.#sending.backlog.add(chat);
      last = page.at(-1);
      await pauses.next();
    }
  }
}
