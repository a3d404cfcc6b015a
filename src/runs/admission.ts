/** How a send becomes a run: stored in one transaction, or not at all. */
import type { Chat } from "../domain/chat.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import type {
  FileStore,
  FoundRun,
  KeyedSend,
  MessageStore,
  QueueStore,
  RunBeginning,
  RunIdentity,
  RunRecord,
  RunStore,
  StoredMessage,
} from "../domain/ports.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { Step } from "../models/call.ts";
import type { CatalogModel } from "../models/catalog.ts";
import { newAttempt } from "./attempts.ts";
import type { AnswerJob } from "./answer.ts";
import type { Leases } from "./leases.ts";
import { planSend, sameContent, type SendPlan, type SentMessage } from "./plan.ts";
import { withFiles } from "./attachments.ts";
import { buildPrompt } from "./prompt.ts";

/** What admitting needs. */
export interface AdmissionParts {
  messages: MessageStore;
  files: FileStore;
  runs: RunStore;
  queue: QueueStore;
  clock: Clock;
  ids: IdGenerator;
  leases: Leases;
  systemPrompt: string | undefined;
  outputTokens: number | undefined;
}

/** A message to be answered, as a request or the queue has it. */
export interface Send {
  chat: Pick<Chat, "id" | "ownerId">;
  /** True where the chat had no message when it was read. */
  isFirst: boolean;
  message: SentMessage;
  model: CatalogModel;
  /** What to ask where the model does not answer. */
  fallbacks: CatalogModel[];
  protocol: string;
  thinking: boolean;
  tools: ToolDefinition[];
  output: OutputFormat | null;
  keyed: KeyedSend | undefined;
  /** What the queue has given the run already. */
  identity?: RunIdentity;
}

/** What became of a send. */
export type Admission =
  | { kind: "begun"; job: Omit<AnswerJob, "live">; plan: SendPlan }
  /** The chat has a live run, or had one just now. */
  | { kind: "busy"; live: FoundRun | undefined };

/** How often a send that met another change of the chat is tried again. */
const TRIES = 5;

/**
 * Stores the message and opens its run, or says why not.
 * @throws {AppError} `not_found` where the chat is gone; `bad_request` for a wrong message id.
 */
export async function admit(send: Send, parts: AdmissionParts): Promise<Admission> {
  const { messages, runs, clock, ids, leases } = parts;
  const { chat, message, model } = send;
  for (let tries = 0; tries < TRIES; tries++) {
    if (message.role === "assistant") {
      // Its results are stored by the first of them: a repeat has none left to bring.
      const live = await runs.live(chat.ownerId, chat.id);
      if (live && await answersSame(live, message, parts)) return { kind: "busy", live };
    }
    const read = () => messages.history(chat.ownerId, chat.id);
    // A chat without a message has no history; where it has one by now, `begin` says so.
    const history = send.isFirst && tries === 0 ? [] : await read();
    const now = clock.now();
    const plan = planSend(history, message, { key: ids.uuid(), now });
    const record: RunRecord = {
      id: ids.uuid(),
      chatId: chat.id,
      ownerId: chat.ownerId,
      messageId: ids.uuid(),
      model: model.id,
      protocol: send.protocol,
      createdAt: now,
      ...send.identity,
      promptKey: plan.prompt.key,
      textOnly: !send.thinking && send.tools.length === 0 && send.output === null,
      // An answer that is continued stays the same message.
      ...(plan.store === "update" && { messageId: plan.prompt.id }),
    };
    const attempt = newAttempt({ ...record, runId: record.id }, "answer", model, ids.uuid(), now);
    // Before anything is stored: what fails here is refused.
    const branch = await withFiles(plan.branch, chat.ownerId, parts.files);
    const { begun, live } = await begin({
      run: record,
      prompt: plan.prompt,
      store: plan.store,
      leafKey: history.at(-1)?.key ?? null,
      attempt,
      lease: leases.make(),
      keyed: send.keyed,
      queued: send.identity !== undefined,
    }, runs);
    if (begun === "moved") {
      const waits = !send.identity || await parts.queue.find(chat.ownerId, send.identity.id);
      if (!waits) return { kind: "busy", live: undefined };
      continue;
    }
    if (begun === "busy") return { kind: "busy", live };
    const stepOf = (model: CatalogModel) => makeStep(model, branch, send, parts);
    const job = {
      record,
      step: stepOf(model),
      fallbacks: send.fallbacks.map(stepOf),
      attempt,
      ...(plan.store === "update" && { before: plan.prompt }),
    };
    return { kind: "begun", job, plan };
  }
  throw new AppError("not_found", "The chat is gone");
}

/**
 * Fails as `admit` would for a message that the chat cannot take, before it is made to wait.
 * @throws {AppError} `bad_request` for a wrong message id, `conflict` where the chat has moved on.
 */
export async function checkSend({ chat, message }: Send, parts: AdmissionParts): Promise<void> {
  const history = await parts.messages.history(chat.ownerId, chat.id);
  planSend(history, message, { key: "", now: 0 });
}

/**
 * Stores a beginning. Over a line that breaks it may go twice, or be done although no answer says so:
 * then the chat's live run is itself. What has waited may be another process's under the same id.
 */
async function begin(
  beginning: RunBeginning,
  runs: RunStore,
): Promise<{ begun: "begun" | "busy" | "moved"; live?: FoundRun | undefined }> {
  const { run, queued } = beginning;
  const find = () => runs.live(run.ownerId, run.chatId);
  const isOwn = (live: FoundRun | undefined) => !queued && live?.run.id === run.id;
  try {
    const begun = await runs.begin(beginning);
    if (begun !== "busy") return { begun };
    const live = await find();
    return isOwn(live) ? { begun: "begun" } : { begun, live };
  } catch (error) {
    if (isOwn(await find().catch(() => undefined))) return { begun: "begun" };
    throw error;
  }
}

/** The request for a branch of the history. */
export function makeStep(
  model: CatalogModel,
  branch: readonly StoredMessage[],
  { thinking, tools, output }: Pick<Send, "thinking" | "tools" | "output">,
  { systemPrompt, outputTokens }: Pick<AdmissionParts, "systemPrompt" | "outputTokens">,
): Step {
  return {
    model,
    prompt: buildPrompt(branch, { type: model.type, system: systemPrompt }),
    thinking,
    ...(outputTokens !== undefined && { maxOutputTokens: outputTokens }),
    ...(tools.length > 0 && { tools }),
    ...(output && { output }),
  };
}

/** True where the live run answers this very message. */
export async function answersSame(
  { run }: FoundRun,
  sent: SentMessage,
  { messages }: Pick<AdmissionParts, "messages">,
): Promise<boolean> {
  if (sent.role === "assistant") return run.messageId === sent.id;
  const history = await messages.history(run.ownerId, run.chatId);
  const prompt = history.find(({ key }) => key === run.promptKey);
  return prompt !== undefined && prompt.id === sent.id && sameContent(prompt, sent);
}
