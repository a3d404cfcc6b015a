import type { AttemptEnd } from "../domain/attempt.ts";
import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import { settlesBefore } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";
import { messageText } from "../domain/message.ts";
import { Places } from "../domain/places.ts";
import type { StoredMessage } from "../domain/records.ts";
import { estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import { AnswerBounds } from "../models/answer_bounds.ts";
import type { CatalogModel } from "../models/catalog.ts";
import { cheapestBeside } from "../models/cheapest.ts";
import { newAttempt } from "./attempts.ts";
import type { Parts } from "./parts.ts";
import { cleanTitle, firstWords, titlePrompt } from "./title.ts";

type Needed = Pick<
  Parts,
  | "chats"
  | "attempts"
  | "catalog"
  | "call"
  | "feed"
  | "clock"
  | "ids"
  | "logger"
  | "titleModel"
  | "runLimits"
>;

/** Enough for a title, even from a model that thinks first, which Gemini's do unasked. */
const MAX_OUTPUT_TOKENS = 1_200;

/** The most that may be said for a title, thoughts included, in characters. */
const MAX_SAID = 100_000;

/** How long a title under way may take to notice the end, in milliseconds. */
const GRACE = 1_000;

/** How long a title may take, in milliseconds. */
const PATIENCE = 60_000;

/** Names chats after their first message, beside the answer and never before it. */
export class Namer {
  readonly #naming = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  /** Titles outlive the answers that they come with: as many as answers may be asked for at once. */
  readonly #places: Places;

  constructor(private readonly parts: Needed) {
    this.#places = new Places(parts.runLimits, "titles");
  }

  /** Starts to name the chat if this is its first message and nobody has named it. */
  name(chat: Chat, message: StoredMessage, answering: CatalogModel): void {
    if (message.parentKey !== null || chat.title !== DEFAULT_TITLE) return;
    const naming = this.#name(chat, messageText(message), answering)
      .catch((error) => {
        const fields = { chat: chat.id, reason: String(error) };
        this.parts.logger.log("warn", "a chat could not be named", fields);
      })
      .finally(() => this.#naming.delete(naming));
    this.#naming.add(naming);
  }

  /** Gives up the titles under way: those chats are named by their first words. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#naming);
  }

  async #name(chat: Chat, message: string, answering: CatalogModel): Promise<void> {
    const { chats, feed, logger } = this.parts;
    const made = await this.#ask(chat, message, answering).catch((error) => {
      const reason = error instanceof RunError ? error.failure.class : "stopped";
      logger.log("info", "no title from a model", { chat: chat.id, reason });
      return "";
    });
    const title = made || firstWords(message);
    if (title === "" || !await chats.nameOnce(chat.ownerId, chat.id, title)) return;
    feed.publish(chat.ownerId, { type: "chat.renamed", chat: { ...chat, title } });
  }

  async #ask(chat: Chat, message: string, answering: CatalogModel): Promise<string> {
    const { catalog, attempts, call, clock, ids, titleModel } = this.parts;
    const configured = titleModel === undefined
      ? undefined
      : await catalog.find(titleModel).catch(() => undefined);
    const model = configured ?? cheapestBeside(answering, await catalog.list());
    // The demo model has nothing to say about a title.
    if (model.type === "demo") return "";
    using place = new DisposableStack();
    place.defer(this.#places.enter(chat.ownerId));
    const whose = { runId: null, chatId: chat.id, ownerId: chat.ownerId };
    const prompt = titlePrompt(message);
    const promptCharacters = JSON.stringify(prompt).length;
    const asked = estimateTokens(promptCharacters);
    const attempt = newAttempt(whose, "title", model, asked, ids.uuid(), clock.now());
    const begun = clock.elapsed();
    await attempts.open(attempt);
    const [late, over] = [new AbortController(), new AbortController()];
    clock.sleep(PATIENCE, over.signal).then(() => late.abort(), () => {});
    const signal = AbortSignal.any([this.#closing.signal, late.signal]);
    let said = "";
    let firstTokenMs: number | null = null;
    const bounds = new AnswerBounds(MAX_SAID);
    const close = (outcome: AttemptEnd["outcome"], usage: Usage, error?: unknown) =>
      attempts.close(attempt.id, {
        outcome,
        failureClass: error instanceof RunError ? error.failure.class : null,
        firstTokenMs,
        endedAt: clock.now(),
        usage,
      });
    try {
      const step = {
        model,
        prompt,
        promptCharacters,
        thinking: false,
        maxOutputTokens: MAX_OUTPUT_TOKENS,
      };
      const asking = call.stream(step, signal, (event) => {
        firstTokenMs ??= Math.round(clock.elapsed() - begun);
        bounds.take(event);
        if (event.type === "text-delta") said += event.text;
      });
      const { usage, finishReason } = await settlesBefore(asking, signal, GRACE, clock);
      await close("completed", usage);
      // What was cut off may be thoughts, to its end.
      return finishReason === "length" ? "" : cleanTitle(said);
    } catch (error) {
      const told = error instanceof RunError ? error.usage : undefined;
      const outputTokens = estimateTokens(said.length);
      const usage = told ?? { ...NO_USAGE, outputTokens, estimated: true };
      await close(signal.aborted ? "stopped" : "failed", usage, error);
      throw error;
    } finally {
      over.abort();
    }
  }
}
