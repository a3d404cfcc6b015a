/** How a send becomes a run: stored in one transaction, or not at all. */
import type { Chat } from "../domain/chat.ts";
import { answersWith, checkWaits, type GivenAnswer } from "../domain/approval.ts";
import { AppError, LateError, RunError } from "../domain/errors.ts";
import { fileIdOf } from "../domain/file.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Part } from "../domain/message.ts";
import type { BusyPolicy } from "../domain/policies.ts";
import type {
  ChatView,
  KeyedSend,
  RunBeginning,
  RunIdentity,
  RunRecord,
} from "../domain/records.ts";
import { estimateTokens } from "../domain/usage.ts";
import { newAttempt } from "./attempts.ts";
import type { Conversation } from "./conversation.ts";
import type { Parts } from "./parts.ts";
import { planSend, type SendPlan, type SentMessage } from "./plan.ts";
import { sizeOf } from "./prompt.ts";
import { chatFull, tooLarge } from "./refusals.ts";
import type { AnswerRequest, RunJob } from "./run_job.ts";

/** A message to be answered, as a request or the queue has it. */
export interface Send extends AnswerRequest {
  chat: Pick<Chat, "id" | "ownerId">;
  message: SentMessage;
  protocol: string;
  keyed: KeyedSend | undefined;
  /** Set for a queued message: its run has an identity already. */
  queued?: RunIdentity;
  /** True if the approvals in it count for all calls of their tools in the chat. */
  remember?: boolean | undefined;
  /** The answer to the question of the tool that is approved in it. */
  content?: JsonObject | undefined;
  /** Once it is aborted, nothing is begun any more. */
  over?: AbortSignal;
}

/** A send that its chat has to take, with what to do if the chat is busy. */
export interface ChatSend extends Send {
  busy: BusyPolicy;
}

/** What a send finds. */
export interface Look extends Pick<ChatView, "chat" | "state" | "keyed" | "named"> {
  /** The system prompt of the chat. */
  system: string | undefined;
  /** Does not ask again for what was read with the rest. */
  conversation: Conversation;
}

type Needed = Pick<
  Parts,
  | "runs"
  | "ownership"
  | "clock"
  | "ids"
  | "systemPrompts"
  | "chatBytes"
  | "messageChars"
  | "toolCalls"
  | "unattended"
>;

/**
 * What became of a send. `moved`: its chat has changed since it was read, or it comes too late. `unknown`: the run may have
 * begun, and the database does not say.
 */
export type Admission =
  | { kind: "begun"; job: RunJob }
  | { kind: "busy" | "moved" }
  | { kind: "unknown"; job: RunJob; error: unknown };

/** The model with that id and its fallbacks; undefined if there is no such model. */
export async function modelsOf(
  id: string,
  { catalog, fallbacks }: Pick<Parts, "catalog" | "fallbacks">,
): Promise<Send["models"] | undefined> {
  const model = await catalog.find(id);
  if (!model) return undefined;
  const known = (id: string) => catalog.find(id).catch(() => undefined);
  const others = await Promise.all((fallbacks[model.id] ?? []).map((id) => known(id)));
  return [model, ...others.filter((other) => other !== undefined)];
}

/**
 * Stores the message and opens its run, or says why not.
 * @throws {AppError} `bad_request` for a wrong message id, `conflict` if the chat has moved on,
 * `too_large`; then nothing was stored.
 */
export async function admit(
  send: Send,
  look: Omit<Look, "chat" | "keyed">,
  parts: Needed,
): Promise<Admission> {
  const { clock, ids, ownership } = parts;
  const { chat, message, models: [model], queued } = send;
  const now = clock.now();
  const { plan, promptTokens } = await planOf(send, look, parts);
  const answers = await checkedAnswers(plan, send, now, parts);
  if (send.over?.aborted) return { kind: "moved" };
  const record: RunRecord = {
    id: ids.uuid(),
    chatId: chat.id,
    ownerId: chat.ownerId,
    messageId: ids.uuid(),
    model: model.id,
    protocol: send.protocol,
    createdAt: now,
    ...queued,
    promptKey: plan.prompt.key,
    textOnly: !plan.approvals && isPlain(send, parts),
    // An answer that is continued stays the same message.
    ...(plan.store === "update" && { messageId: plan.prompt.id }),
  };
  const whose = { ...record, runId: record.id };
  const attempt = newAttempt(whose, "answer", model, promptTokens, ids.uuid(), now);
  const beginning: RunBeginning = {
    run: record,
    prompt: plan.prompt,
    store: plan.store,
    ...(plan.approvals && { approvals: { answers, ids: plan.approvals.ids } }),
    leafKey: look.state.leafKey,
    attempt,
    lease: ownership.lease(record.id),
    keyed: send.keyed,
    queued: queued !== undefined,
    fileIds: fileIdsIn(message.parts),
  };
  const { models, thinking, tools, output, unattended } = send;
  const request = { models, thinking, tools, output, unattended };
  const job: RunJob = { record, request, prompt: plan.prompt, attempt };
  return await begin(beginning, job, parts);
}

/**
 * What a message means for its chat, and the size of its prompt, without storing anything. One that comes out of the queue was
 * checked when it came: if its prompt is too large by now, that is how its run ends.
 * @throws {AppError} as `admit` does; `too_large` for what the chat or a prompt cannot take.
 */
export async function planOf(
  { chat, message, models, queued }: Pick<Send, "chat" | "message" | "models" | "queued">,
  { state: { leafKey, bytes }, named, system, conversation }: Omit<Look, "chat" | "keyed">,
  { ids, clock, chatBytes, messageChars }: Needed,
) {
  const known = await conversation.find(chat.id, leafKey, named);
  const plan = planSend({ leafKey, known }, message, { key: ids.uuid(), now: clock.now() });
  const [{ type, id: model }] = models;
  const target = { type, model, system };
  const prompt = () => conversation.prompt({ ...chat, chatId: chat.id }, plan.prompt, [], target);
  const planned = ({ characters }: { characters: number }) => ({
    plan,
    promptTokens: estimateTokens(characters),
  });
  if (queued) return planned(await prompt().catch(() => ({ characters: 0 })));
  const { parts, metadata } = plan.prompt;
  const grown = known ? sizeOf(parts) - sizeOf(known.parts) : 0;
  if (plan.store === "update" && grown > messageChars) {
    throw tooLarge(`The results may have at most ${messageChars} characters as JSON.`);
  }
  const added = { keep: 0, insert: sizeOf(parts) + JSON.stringify(metadata).length, update: grown };
  // A yes or no has its place in any chat, or what waits for it could never end.
  if (!plan.approvals && bytes + added[plan.store] > chatBytes) throw chatFull(chatBytes);
  try {
    return planned(await prompt());
  } catch (error) {
    throw error instanceof RunError ? tooLarge(error.failure.message) : error;
  }
}

/** @throws {AppError} `conflict` or `gone` for approvals that nobody waits for any more. */
async function checkedAnswers(
  { approvals }: SendPlan,
  { chat, remember = false, content }: Send,
  now: number,
  { toolCalls }: Needed,
): Promise<GivenAnswer[]> {
  return await Promise.all((approvals?.answers ?? []).map(async (answer) => {
    const call = await toolCalls.find(chat.ownerId, answer.id);
    if (!call || call.chatId !== chat.id) {
      throw new AppError("conflict", "This approval belongs to another chat", {
        detail: "A copy of a chat cannot approve what the chat itself asked for.",
      });
    }
    checkWaits(call, now);
    return { ...answer, remember, answers: answersWith(call, { content }) };
  }));
}

/**
 * Stores a beginning. Over a line that breaks, it may be sent twice, or be stored although no answer
 * says so: then the run that is found is this one, if it is this process's.
 */
async function begin(beginning: RunBeginning, job: RunJob, { runs }: Needed): Promise<Admission> {
  const { run: { id, ownerId }, lease } = beginning;
  const isBegun = async () => {
    const found = await runs.find(ownerId, id);
    return found?.state === "running" && found.owner === lease.owner;
  };
  try {
    const kind = await runs.begin(beginning);
    if (kind === "begun" || (kind === "busy" && await isBegun())) return { kind: "begun", job };
    return { kind };
  } catch (error) {
    try {
      if (await isBegun()) return { kind: "begun", job };
    } catch {
      return { kind: "unknown", job, error };
    }
    if (error instanceof LateError) return { kind: "unknown", job, error };
    throw error;
  }
}

/** True if nothing was asked for but text: a run that goes on after a crash knows no more. */
function isPlain(
  { thinking, tools, output, unattended }: Send,
  usual: Pick<Needed, "unattended">,
): boolean {
  return !thinking && tools.length === 0 && output === null && unattended === usual.unattended;
}

function fileIdsIn(parts: readonly Part[]): string[] {
  return parts.flatMap((part) => part.type === "file" ? fileIdOf(part.url) ?? [] : []);
}
