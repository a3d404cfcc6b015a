import type { Chat } from "../domain/chat.ts";
import { AppError, RunError } from "../domain/errors.ts";
import type { QueuedSend, RunIdentity } from "../domain/records.ts";
import type { CatalogModel } from "../models/catalog.ts";
import type { Parts } from "./parts.ts";
import { sameContent, type SentMessage } from "./plan.ts";
import { chatGone, failureOf, refusal } from "./refusals.ts";
import { knownRun, loggedRun } from "./replay.ts";
import type { RunStream } from "./run_stream.ts";
import type { Send } from "./admission.ts";

type Needed = Pick<Parts, "queue" | "events" | "ownership" | "clock" | "ids" | "queueLimits">;

/** The messages that wait for their chat's live run to end. */
export class Queues {
  /** The streams of queued messages that someone joined, until their runs begin. */
  readonly #joined = new Map<string, { stream: RunStream; over: AbortController }>();
  #closed = false;

  constructor(private readonly parts: Needed) {}

  /** The stream of a queued message, to be subscribed to until its turn comes, or of its failure. */
  join({ run, failure }: Pick<QueuedSend, "run" | "failure">): RunStream {
    if (failure) return knownRun(run, refusal(run, failure));
    const known = this.#joined.get(run.id);
    if (known) return known.stream;
    const stream = loggedRun(run, this.parts, { head: 0, closed: this.#closed });
    if (this.#closed) return stream;
    const over = new AbortController();
    this.#joined.set(run.id, { stream, over });
    this.parts.ownership.followQueued(stream, over.signal).then(() => {
      if (stream.closed && !over.signal.aborted) this.take(run.id);
    });
    return stream;
  }

  /** The queued message that says the same as this one. */
  async same(chat: Pick<Chat, "id" | "ownerId">, sent: SentMessage) {
    const queued = await this.parts.queue.list(chat.ownerId, chat.id);
    return queued.find(({ request: { message }, failure }) =>
      !failure && message.id === sent.id && sameContent(message, sent)
    );
  }

  /**
   * Stores the send in its chat's queue. Undefined if its key is known, or the same message waits
   * already.
   * @throws {AppError} `too_many_requests` if too many wait; `not_found` if the chat is gone.
   */
  async add(send: Send): Promise<RunStream | undefined> {
    const { queue, clock, ids, queueLimits } = this.parts;
    const run = {
      id: ids.uuid(),
      chatId: send.chat.id,
      ownerId: send.chat.ownerId,
      messageId: ids.uuid(),
      model: send.models[0].id,
      protocol: send.protocol,
      createdAt: clock.now(),
    };
    const { message, thinking, tools, output, unattended } = send;
    const request = { message, thinking, tools, output, unattended };
    const queued = { run, request, failure: null };
    switch (await queue.add(queued, send.keyed, queueLimits)) {
      case "added":
        return this.join(queued);
      case "repeated":
        return undefined;
      case "gone":
        throw chatGone();
      case "full":
        throw new AppError("too_many_requests", "Too many messages are waiting", {
          detail:
            `At most ${queueLimits.perChat} of together ${queueLimits.bytesPerChat} bytes may ` +
            `wait in a chat, and ${queueLimits.perUser} in all your chats.`,
          retryAfter: 5,
        });
    }
  }

  /** Removes a queued message; false if it is not queued, or no longer. */
  async cancel(chat: Pick<Chat, "id" | "ownerId">, runId: string): Promise<boolean> {
    if (!await this.#remove(chat.ownerId, chat.id, runId)) return false;
    this.take(runId)?.publish([], true);
    return true;
  }

  /** Lets a message that cannot be begun wait no longer. Its stream says why, as the queue does. */
  async refuse(run: RunIdentity, error: unknown): Promise<void> {
    const failure = failureOf(error);
    // If it is gone, another process has begun it, or someone took it back.
    if (!await this.parts.queue.refuse(run, failure)) return;
    this.take(run.id)?.publish(refusal(run, failure), true);
  }

  /** True as well if the message is gone although no answer says so. */
  async #remove(ownerId: string, chatId: string, runId: string): Promise<boolean> {
    const { queue } = this.parts;
    try {
      return await queue.remove(ownerId, chatId, runId);
    } catch (error) {
      if (await queue.find(ownerId, runId)) throw error;
      return true;
    }
  }

  /** Removes all that waits in a chat, and ends its streams. */
  async clear(chat: Pick<Chat, "id" | "ownerId">): Promise<void> {
    const remove = () => this.parts.queue.remove(chat.ownerId, chat.id);
    // If only the answer was lost, nobody else would end the streams of what is gone.
    await remove().catch(remove);
    this.end(chat.id);
  }

  /** Ends the streams of a chat that is gone. */
  end(chatId: string): void {
    for (const { stream } of this.#joined.values()) {
      if (stream.identity.chatId === chatId) this.take(stream.identity.id)?.publish([], true);
    }
  }

  /** Takes the stream of a message whose turn has come, if someone joined it. */
  take(runId: string): RunStream | undefined {
    const joined = this.#joined.get(runId);
    this.#joined.delete(runId);
    joined?.over.abort();
    return joined?.stream;
  }

  /** Ends the streams of queued messages: the next start goes on with them. */
  close(): void {
    this.#closed = true;
    for (const { stream, over } of this.#joined.values()) {
      over.abort();
      stream.publish([], true);
    }
  }
}

/** Stands for a model that was configured when a message was queued, and no longer is. */
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
    client: () => Promise.reject(new RunError(failure)),
  };
}
