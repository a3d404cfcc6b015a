import type { Chat } from "../domain/chat.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import type { Attempt, AttemptEnd } from "../domain/attempt.ts";
import { RunError } from "../domain/errors.ts";
import type { ChatStore, Ledger } from "../domain/ports.ts";
import { estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import type { ModelCall } from "../models/call.ts";
import type { CatalogModel, ModelCatalog } from "../models/catalog.ts";
import { cheapestBeside } from "../models/cheapest.ts";
import type { Logger } from "../observe/log.ts";
import { cleanTitle, firstWords, titlePrompt } from "./title.ts";

/** What naming chats needs. */
export interface NamerParts {
  chats: ChatStore;
  ledger: Ledger;
  catalog: ModelCatalog;
  call: ModelCall;
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

/**
 * Names a chat after its first message: by a model, and by the message's first words where that
 * fails. Runs beside the answer and never rejects.
 */
export async function nameChat(
  chat: Chat,
  firstMessage: string,
  answering: CatalogModel,
  signal: AbortSignal,
  parts: NamerParts,
): Promise<void> {
  try {
    const made = await askForTitle(chat, firstMessage, answering, signal, parts).catch((error) => {
      const reason = error instanceof RunError ? error.failure.class : "stopped";
      parts.log.log("info", "no title from a model", { chat: chat.id, reason });
      return "";
    });
    const title = made || firstWords(firstMessage);
    if (title) await parts.chats.nameOnce(chat.ownerId, chat.id, title);
  } catch (error) {
    parts.log.log("warn", "a chat could not be named", { chat: chat.id, reason: String(error) });
  }
}

async function askForTitle(
  chat: Chat,
  firstMessage: string,
  answering: CatalogModel,
  signal: AbortSignal,
  { catalog, ledger, call, clock, ids, titleModel }: NamerParts,
): Promise<string> {
  const configured = titleModel === undefined ? undefined : await catalog.find(titleModel);
  const model = configured ?? cheapestBeside(answering, await catalog.list());
  // The demo model has nothing to say about a title.
  if (model.type === "demo") return "";
  const attempt: Attempt = {
    id: ids.uuid(),
    runId: null,
    chatId: chat.id,
    ownerId: chat.ownerId,
    kind: "title",
    provider: model.provider,
    model: model.modelId,
    startedAt: clock.now(),
  };
  await ledger.open(attempt);
  let said = "";
  let firstTokenMs: number | null = null;
  const end = (outcome: AttemptEnd["outcome"], usage: Usage, error?: unknown) =>
    ledger.close(attempt.id, {
      outcome,
      failureClass: error instanceof RunError ? error.failure.class : null,
      firstTokenMs,
      endedAt: clock.now(),
      usage,
    });
  try {
    const step = {
      model,
      prompt: titlePrompt(firstMessage),
      thinking: false,
      maxOutputTokens: MAX_OUTPUT_TOKENS,
    };
    const outcome = await call.stream(
      step,
      AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
      (event) => {
        firstTokenMs ??= clock.now() - attempt.startedAt;
        if (event.type === "text-delta") said += event.text;
      },
    );
    await end("completed", outcome.usage);
    return cleanTitle(said);
  } catch (error) {
    const usage = { ...NO_USAGE, outputTokens: estimateTokens(said.length), estimated: true };
    await end(signal.aborted ? "stopped" : "failed", usage, error);
    throw error;
  }
}
