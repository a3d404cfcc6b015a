import type { Chat } from "../domain/chat.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { AppError, RunError, type RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { QueuedSend, QueueStore, RunIdentity, RunStore } from "../domain/ports.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { CatalogModel } from "../models/catalog.ts";
import type { Send } from "./admission.ts";
import type { LiveRun } from "./live_run.ts";
import { sameContent, type SentMessage } from "./plan.ts";
import { follow, queuedRun } from "./replay.ts";

/** What waiting needs. */
export interface WaitingParts {
  queue: QueueStore;
  runs: RunStore;
  clock: Clock;
  ids: IdGenerator;
  /** True where another process may answer what waits here. */
  shared: boolean;
}

/** How many messages of a chat may wait. */
const LIMIT = 20;

/** The messages that wait for their chat to be free. */
export class WaitingRuns {
  readonly #parts: WaitingParts;
  readonly #live = new Map<string, { live: LiveRun; taken: AbortController }>();
  #closed = false;

  constructor(parts: WaitingParts) {
    this.#parts = parts;
  }

  get(runId: string): LiveRun | undefined {
    return this.#live.get(runId)?.live;
  }

  /** A send of the owner that waits, be it since before this process. */
  find(ownerId: string, runId: string): Promise<QueuedSend | undefined> {
    return this.#parts.queue.find(ownerId, runId);
  }

  /** The send of this very message, where one waits. */
  async same(chat: Pick<Chat, "id" | "ownerId">, sent: SentMessage) {
    const waiting = await this.list(chat);
    return waiting.find(({ request: { message } }) =>
      message.id === sent.id && sameContent(message, sent)
    );
  }

  /** The run of a send that waits, to be subscribed to until its turn comes. */
  join(run: RunIdentity): LiveRun {
    const known = this.#live.get(run.id);
    if (known) return known.live;
    const { runs, queue, clock, shared } = this.#parts;
    const live = queuedRun(run, runs);
    const taken = new AbortController();
    this.#live.set(run.id, { live, taken });
    if (this.#closed) live.publish([], true);
    else if (shared) {
      follow(live, { runs, queue, clock }, taken.signal).then(() => {
        if (!taken.signal.aborted) this.take(run.id);
      });
    }
    return live;
  }

  /** The messages of the chat that wait, in order. */
  list(chat: Pick<Chat, "id" | "ownerId">): Promise<QueuedSend[]> {
    return this.#parts.queue.list(chat.ownerId, chat.id);
  }

  /**
   * Stores the send to wait its turn. Undefined where its key is known, or the message waits, already.
   * @throws {AppError} `too_many_requests` where too many wait.
   */
  async add(send: Send): Promise<LiveRun | undefined> {
    const { queue, clock, ids } = this.#parts;
    const run = {
      id: ids.uuid(),
      chatId: send.chat.id,
      ownerId: send.chat.ownerId,
      messageId: ids.uuid(),
      model: send.model.id,
      protocol: send.protocol,
      createdAt: clock.now(),
    };
    const { message, thinking, tools, output } = send;
    const request = { message, thinking, tools, output };
    const added = await queue.add({ run, request }, send.keyed, LIMIT);
    if (added === "repeated") return undefined;
    if (added === "full") {
      throw new AppError("too_many_requests", "Too many messages are waiting in this chat", {
        detail: `${LIMIT} may wait.`,
        retryAfter: 5,
      });
    }
    return this.join(run);
  }

  /** Removes a message that waits; false where it does not, or not any more. */
  async cancel(chat: Chat, runId: string): Promise<boolean> {
    if (!await this.#parts.queue.remove(chat.ownerId, chat.id, runId)) return false;
    const live = this.take(runId);
    live?.move("stop");
    live?.publish([], true);
    return true;
  }

  /** Ends the wait of a message that the chat can no longer take. */
  async refuse(run: RunIdentity, error: AppError): Promise<void> {
    // Where it is gone another process has begun it, or someone took it back.
    if (!await this.#parts.queue.remove(run.ownerId, run.chatId, run.id)) return;
    const live = this.take(run.id);
    // A chat that is gone has nobody left to tell.
    live?.publish(error.code === "not_found" ? [] : refusal(run, error), true);
  }

  /** The run of a message whose turn has come, to be started. */
  take(runId: string): LiveRun | undefined {
    const waiting = this.#live.get(runId);
    this.#live.delete(runId);
    waiting?.taken.abort();
    return waiting?.live;
  }

  /** Ends the streams of those that wait: they go on at the next start. */
  close(): void {
    this.#closed = true;
    for (const { live, taken } of this.#live.values()) {
      taken.abort();
      live.publish([], true);
    }
  }
}

/** Stands for a model that was configured when a message was queued, and is no more. */
export function missingModel(id: string): CatalogModel {
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

function refusal({ messageId, model }: RunIdentity, { message, detail }: AppError): RunEvent[] {
  const failure: RunFailure = {
    class: "internal",
    message: detail === undefined ? `${message}.` : `${message}. ${detail}`,
    retryable: false,
  };
  return [{ type: "start", messageId, model }, { type: "error", failure, usage: NO_USAGE }];
}
