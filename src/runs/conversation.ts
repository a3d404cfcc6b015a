/** The one reader of history: an outline of a branch first, then its contents by pages. */
import { RunError } from "../domain/errors.ts";
import type { Message, Part } from "../domain/message.ts";
import type { FileStore, MessageStore } from "../domain/ports.ts";
import type { MessageOutline, RunIdentity, StoredMessage } from "../domain/records.ts";
import { Pauses } from "../domain/pauses.ts";
import { type PromptWithFiles, withFiles } from "./attachments.ts";
import { PromptBuilder, type PromptTarget, sizeOf } from "./prompt.ts";

/** How many messages one read of an outline brings. */
const OUTLINE_PAGE = 200;

/** How many an outline's first read brings: enough to reach what is cached of a chat in use. */
const FIRST_PAGE = 8;

/** How much content is read at once, in bytes and messages. */
export interface ReadPage {
  bytes: number;
  messages: number;
}

/** For a local file: the event loop waits for each read. */
export const LOCAL_PAGE: ReadPage = { bytes: 64 * 1024, messages: 50 };

/** For a remote database: each read is a round trip. */
export const REMOTE_PAGE: ReadPage = { bytes: 1024 * 1024, messages: 500 };

/** How much content the cached prompts stand for, of one chat and in all, in bytes. */
const CACHED_PER_CHAT = 16 * 1024 * 1024;
const CACHED = 32 * 1024 * 1024;

/**
 * The most that a prompt may carry besides files, in bytes: about two million tokens. The AI SDK turns
 * this part into JSON at once, and everybody waits for it.
 */
const TEXT = 8 * 1024 * 1024;

/** The message that a prompt ends with: stored, or about to be. */
export type Last = Message & Pick<StoredMessage, "parentKey">;

/** The chat of a conversation. */
type Owned = Pick<RunIdentity, "chatId" | "ownerId">;

/** Reads the branches of chats, and builds prompts from them. */
export class Conversation {
  constructor(
    private readonly messages: MessageStore,
    private readonly files: FileStore,
    private readonly page: ReadPage,
    /** The most that a prompt may carry, in bytes. */
    private readonly promptBytes: number,
    private readonly cache = new PromptCache(),
  ) {}

  /** The same conversations, with the same cache, read otherwise. */
  over(read: (messages: MessageStore) => MessageStore): Conversation {
    const { messages, files, page, promptBytes, cache } = this;
    return new Conversation(read(messages), files, page, promptBytes, cache);
  }

  /** The key of the last message in the chat's cached prompt; null if there is none. */
  cachedTo(chatId: string, target: PromptTarget): string | null {
    return this.cache.lastKey(chatId, target);
  }

  /**
   * The branch that ends in the message `leafKey`, oldest first, without contents: at most its last
   * `limit` messages.
   */
  async outline(
    chatId: string,
    leafKey: string | null,
    limit = Infinity,
  ): Promise<MessageOutline[]> {
    const outline: MessageOutline[] = [];
    for await (const page of this.#upward(chatId, leafKey)) {
      outline.push(...page);
      if (outline.length >= limit) break;
    }
    return outline.slice(0, limit).reverse();
  }

  /** The messages behind `sinceKey` on the branch that ends in `leafKey`; none if it is on another. */
  async outlineBehind(
    chatId: string,
    sinceKey: string | null,
    leafKey: string | null,
  ): Promise<MessageOutline[]> {
    if (leafKey === sinceKey) return [];
    const outline: MessageOutline[] = [];
    for await (const page of this.#upward(chatId, leafKey)) {
      const at = page.findIndex(({ parentKey }) => parentKey === sinceKey);
      outline.push(...page.slice(0, at < 0 ? undefined : at + 1));
      if (at >= 0) return outline.reverse();
    }
    return [];
  }

  /** The contents of an outline in its order, by pages of a bounded size. */
  async *pages(
    chatId: string,
    outline: readonly MessageOutline[],
    options?: { seenOnly: boolean },
  ): AsyncGenerator<StoredMessage[], undefined> {
    const pauses = new Pauses();
    for (let from = 0; from < outline.length;) {
      const to = endOfPage(outline, from, this.page, options?.seenOnly ? 0 : 1);
      await pauses.next();
      yield await this.messages.read(
        chatId,
        outline.slice(from, to).map(({ key }) => key),
        options,
      );
      from = to;
    }
  }

  /** The message with that client id on the branch that ends in `leafKey`. */
  async withId(
    chatId: string,
    leafKey: string | null,
    id: string,
  ): Promise<StoredMessage | undefined> {
    return await this.find(chatId, leafKey, await this.messages.withId(chatId, id));
  }

  /** The first of these messages from the end of the branch that ends in `leafKey`. */
  async find(
    chatId: string,
    leafKey: string | null,
    keys: readonly string[],
  ): Promise<StoredMessage | undefined> {
    if (keys.length === 0) return undefined;
    for await (const page of this.#upward(chatId, leafKey)) {
      const found = page.find(({ key }) => keys.includes(key));
      if (found) return await this.message(chatId, found.key);
    }
    return undefined;
  }

  /** One message with its contents. */
  async message(chatId: string, key: string): Promise<StoredMessage | undefined> {
    return (await this.messages.read(chatId, [key]))[0];
  }

  /** The last message of the newest branch through that one; undefined if the chat has no such message. */
  async leafBehind(chatId: string, key: string): Promise<string | undefined> {
    const [start] = await this.messages.outline(chatId, key, 1);
    let leaf = start?.key;
    const pauses = new Pauses();
    while (leaf !== undefined) {
      const below = await this.messages.descend(chatId, leaf, OUTLINE_PAGE);
      const last = below.at(-1);
      if (last === undefined) return leaf;
      leaf = last;
      await pauses.next();
    }
    return leaf;
  }

  /**
   * The prompt of the branch that ends in `last`, and behind it the parts of its answer so far. The
   * messages before the last one never change, so the chat's cached prompt is extended by those that
   * are new. Sizes are counted before anything is read that they are of.
   * @throws {RunError} `prompt_too_large`.
   */
  async prompt(
    { chatId, ownerId }: Owned,
    last: Last,
    answer: readonly Part[],
    target: PromptTarget,
  ): Promise<PromptWithFiles> {
    const unread: MessageOutline[] = [];
    // What is cached has messages behind it, and never changes: the database is not asked for it.
    const parent = last.parentKey;
    const atParent = parent === null ? undefined : this.cache.sizeAt(chatId, target, parent);
    let known = atParent === undefined ? null : parent;
    let size = sizeOf(last.parts) + sizeOf(answer) + (atParent ?? 0);
    if (size > Math.min(this.promptBytes, TEXT)) throw promptTooLarge(this.promptBytes);
    walk: for await (const page of this.#upward(chatId, known === null ? parent : null)) {
      for (const outline of page) {
        const cached = this.cache.sizeAt(chatId, target, outline.key);
        size += cached ?? outline.size;
        if (size > Math.min(this.promptBytes, TEXT)) throw promptTooLarge(this.promptBytes);
        if (cached !== undefined) {
          known = outline.key;
          break walk;
        }
        unread.push(outline);
      }
    }
    unread.reverse();
    const builder = this.cache.take(chatId, target, known);
    if (!builder) return await this.prompt({ chatId, ownerId }, last, answer, target);
    const sizes = new Map(unread.map(({ key, size }) => [key, size]));
    for await (const page of this.pages(chatId, unread, { seenOnly: true })) {
      for (const message of page) builder.add(message, sizes.get(message.key));
    }
    this.cache.put(chatId, builder);
    const prompt = await withFiles(
      builder.promptWith(last, answer),
      { chatId, ownerId },
      this.files,
    );
    if (prompt.size > this.promptBytes) throw promptTooLarge(this.promptBytes);
    return prompt;
  }

  /** A branch from its last message upward, by pages. */
  async *#upward(chatId: string, leafKey: string | null): AsyncGenerator<MessageOutline[]> {
    let limit = FIRST_PAGE;
    const pauses = new Pauses();
    for (let key = leafKey; key !== null;) {
      const page = await this.messages.outline(chatId, key, limit);
      if (page.length === 0) return;
      yield page;
      key = page.at(-1)!.parentKey;
      await pauses.next();
      limit = OUTLINE_PAGE;
    }
  }
}

/** Where a page of contents ends that begins at `from`: it has at least one message. */
function endOfPage(
  outline: readonly MessageOutline[],
  from: number,
  page: ReadPage,
  rest: 0 | 1,
): number {
  let to = from;
  let size = 0;
  while (to < outline.length && to - from < page.messages) {
    size += outline[to]!.size + rest * outline[to]!.rest;
    if (to > from && size > page.bytes) break;
    to++;
  }
  return to;
}

function promptTooLarge(limit: number): RunError {
  const message = `The chat is too long for this model request: expected at most ${limit} bytes ` +
    `in all, with each file in base64 and as often as it is named, and at most ` +
    `${Math.min(limit, TEXT)} besides files.`;
  return new RunError({ class: "prompt_too_large", message, retryable: false });
}

/** The prompts of chats in use, each as far as it never changes; the least recently used goes first. */
class PromptCache {
  readonly #builders = new Map<string, PromptBuilder>();
  #size = 0;

  /** The size of the chat's prompt up to that message; undefined if it does not go through it. */
  sizeAt(chatId: string, target: PromptTarget, key: string): number | undefined {
    const builder = this.#builders.get(chatId);
    return builder?.isFor(target) ? builder.sizeAt(key) : undefined;
  }

  /** The key of the last message of the chat's prompt; null if there is none. */
  lastKey(chatId: string, target: PromptTarget): string | null {
    const builder = this.#builders.get(chatId);
    return builder?.isFor(target) ? builder.lastKey : null;
  }

  /**
   * Takes the chat's prompt out, cut behind the message `key`; a new one if `key` is null. Undefined
   * if the prompt is gone by now.
   */
  take(chatId: string, target: PromptTarget, key: string | null): PromptBuilder | undefined {
    if (key !== null && this.sizeAt(chatId, target, key) === undefined) return undefined;
    const builder = this.#builders.get(chatId);
    this.#remove(chatId);
    if (key === null || !builder) return new PromptBuilder(target);
    builder.cutBehind(key);
    return builder;
  }

  put(chatId: string, builder: PromptBuilder): void {
    this.#remove(chatId);
    if (builder.size > CACHED_PER_CHAT) return;
    this.#builders.set(chatId, builder);
    this.#size += builder.size;
    for (const oldest of this.#builders.keys()) {
      if (this.#size <= CACHED) return;
      this.#remove(oldest);
    }
  }

  #remove(chatId: string): void {
    this.#size -= this.#builders.get(chatId)?.size ?? 0;
    this.#builders.delete(chatId);
  }
}
