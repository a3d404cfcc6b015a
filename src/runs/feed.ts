import type { Chat } from "../domain/chat.ts";
import type { MessageStatus } from "../domain/message.ts";

/** Something that a list of chats shows. */
export type ChatEvent =
  | { type: "chat.created" | "chat.renamed"; chat: Chat }
  | { type: "chat.deleted"; chatId: string }
  | { type: "run.started"; chatId: string; runId: string; model: string }
  | { type: "run.ended"; chatId: string; runId: string; state: MessageStatus }
  | { type: "approval.requested"; chatId: string; approvalId: string; tool: string }
  | { type: "approval.answered"; chatId: string; approvalId: string; approved: boolean };

/** Tells watchers what happens to the chats of their owner. */
export class ChatFeed {
  readonly #watchers = new Map<string, Set<(event: ChatEvent) => void>>();

  /** Tells every watcher of that owner. */
  publish(ownerId: string, event: ChatEvent): void {
    for (const watcher of [...this.#watchers.get(ownerId) ?? []]) {
      try {
        watcher(event);
      } catch {
        // A watcher that fails must not keep the others from the event.
        this.#remove(ownerId, watcher);
      }
    }
  }

  /** Calls `watcher` for each event of that owner from now on, until the result is called. */
  watch(ownerId: string, watcher: (event: ChatEvent) => void): () => void {
    const watchers = this.#watchers.get(ownerId) ?? new Set();
    this.#watchers.set(ownerId, watchers.add(watcher));
    return () => this.#remove(ownerId, watcher);
  }

  #remove(ownerId: string, watcher: (event: ChatEvent) => void): void {
    const watchers = this.#watchers.get(ownerId);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watchers.delete(ownerId);
  }
}
