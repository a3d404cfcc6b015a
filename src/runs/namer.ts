import type { AttemptEnd } from "../domain/attempt.ts";
import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";
import { messageText } from "../domain/message.ts";
import type { ChatStore, Ledger, StoredMessage } from "../domain/ports.ts";
import { estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import type { ModelCall } from "../models/call.ts";
import type { CatalogModel, ModelCatalog } from "../models/catalog.ts";
import { cheapestBeside } from "../models/cheapest.ts";
import type { Logger } from "../observe/log.ts";
import { newAttempt } from "./attempts.ts";
import type { ChatFeed } from "./feed.ts";
import { cleanTitle, firstWords, titlePrompt } from "./title.ts";

/** What naming chats needs. */
export interface NamerParts {
  chats: ChatStore;
  ledger: Ledger;
  catalog: ModelCatalog;
  call: ModelCall;
  feed: ChatFeed;
  clock: Clock;
  ids: IdGenerator;
  log: Logger;
  /** The configured title model's id. */
  titleModel: string | undefined;
}

/** Enough for a title, also of a model that thinks aloud first. */
const MAX_OUTPUT_TOKENS = 400;

/** How long a title may take, in milliseconds. */
const PATIENCE = 60_000;

/** Names chats after their first message, beside the answer and never before it. */
export class Namer {
  readonly #parts: NamerParts;
  readonly #naming = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(parts: NamerParts) {
    this.#parts = parts;
  }

  /** Begins to name the chat, where this is its first message and nobody has named it. */
  name(chat: Chat, message: StoredMessage, answering: CatalogModel): void {
    if (message.parentKey !== null || chat.title !== DEFAULT_TITLE) return;
    const naming = this.#name(chat, messageText(message), answering)
      .catch((error) => {
        const fields = { chat: chat.id, reason: String(error) };
        this.#parts.log.log("warn", "a chat could not be named", fields);
      })
      .finally(() => this.#naming.delete(naming));
    this.#naming.add(naming);
  }

  /** Gives up what is under way: those chats are named by their first words. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#naming);
  }

  async #name(chat: Chat, message: string, answering: CatalogModel): Promise<void> {
    const { chats, feed, log } = this.#parts;
    const made = await this.#ask(chat, message, answering).catch((error) => {
      const reason = error instanceof RunError ? error.failure.class : "stopped";
      log.log("info", "no title from a model", { chat: chat.id, reason });
      return "";
    });
    const title = made || firstWords(message);
    if (title === "" || !await chats.nameOnce(chat.ownerId, chat.id, title)) return;
    feed.publish(chat.ownerId, { type: "chat.renamed", chat: { ...chat, title } });
  }

  async #ask(chat: Chat, message: string, answering: CatalogModel): Promise<string> {
    const { catalog, ledger, call, clock, ids, titleModel } = this.#parts;
    const configured = titleModel === undefined ? undefined : await catalog.find(titleModel);
    const model = configured ?? cheapestBeside(answering, await catalog.list());
    // The demo model has nothing to say about a title.
    if (model.type === "demo") return "";
    const whose = { runId: null, chatId: chat.id, ownerId: chat.ownerId };
    const attempt = newAttempt(whose, "title", model, ids.uuid(), clock.now());
    await ledger.open(attempt);
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(PATIENCE)]);
    const prompt = titlePrompt(message);
    let said = "";
    let firstTokenMs: number | null = null;
    const close = (outcome: AttemptEnd["outcome"], usage: Usage, error?: unknown) =>
      ledger.close(attempt.id, {
        outcome,
        failureClass: error instanceof RunError ? error.failure.class : null,
        firstTokenMs,
        endedAt: clock.now(),
        usage,
      });
    try {
      const step = { model, prompt, thinking: false, maxOutputTokens: MAX_OUTPUT_TOKENS };
      const { usage } = await call.stream(step, signal, (event) => {
        firstTokenMs ??= clock.now() - attempt.startedAt;
        if (event.type === "text-delta") said += event.text;
      });
      await close("completed", usage);
      return cleanTitle(said);
    } catch (error) {
      const usage = { ...NO_USAGE, outputTokens: estimateTokens(said.length), estimated: true };
      await close(signal.aborted ? "stopped" : "failed", usage, error);
      throw error;
    }
  }
}
