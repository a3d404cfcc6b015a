import type { Places } from "../domain/places.ts";

/** Milliseconds between two messages that begin, so that what is asked meanwhile has its turns. */
const PACE = 20;

/** The owner and the id of a chat. */
export interface OwnedChat {
  ownerId: string;
  chatId: string;
}

/**
 * Whose message begins next. One that comes alone begins at once; of many, one after the other, as soon
 * as there is a place for its run.
 */
export class Backlog {
  /** Chats whose next message has to wait, by owner; the owner whose turn is next comes first. */
  readonly #chats = new Map<string, Set<string>>();
  /** The chats whose turn it is. */
  readonly #called = new Set<string>();
  #pause: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  /** `begin` begins a chat's next message if there is one and it may `enter`; it never rejects. */
  constructor(
    private readonly places: Places,
    private readonly begin: (chat: OwnedChat) => Promise<void>,
  ) {}

  /** The chat's next message shall begin, if it can, when its turn comes. */
  add({ ownerId, chatId }: OwnedChat): void {
    this.#chats.set(ownerId, (this.#chats.get(ownerId) ?? new Set()).add(chatId));
    this.next();
  }

  /** A place for the chat's next message; undefined if that has to wait, for which this sees. */
  enter(chat: OwnedChat): (() => void) | undefined {
    const isCalled = this.#called.delete(chat.chatId);
    if (this.places.has(chat.ownerId) && (isCalled || this.#pause === undefined)) {
      this.#rest();
      return this.places.take(chat.ownerId);
    }
    this.add(chat);
    return undefined;
  }

  /** To be called when a place was given back. */
  next(): void {
    if (this.#pause !== undefined || this.#isClosed) return;
    const chat = this.#take();
    if (!chat) return;
    this.#rest();
    this.#called.add(chat.chatId);
    this.begin(chat).finally(() => this.#called.delete(chat.chatId));
  }

  /** Begins nothing more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#pause);
  }

  #rest(): void {
    if (this.#isClosed) return;
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined;
      this.next();
    }, PACE);
  }

  #take(): OwnedChat | undefined {
    for (const [ownerId, chats] of this.#chats) {
      if (!this.places.has(ownerId)) continue;
      const [chatId] = chats;
      chats.delete(chatId!);
      this.#chats.delete(ownerId);
      if (chats.size > 0) this.#chats.set(ownerId, chats);
      return { ownerId, chatId: chatId! };
    }
    return undefined;
  }
}
