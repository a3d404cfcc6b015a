/** A yes or no to a call that waits for one. */
import {
  alreadyAnswered,
  answersWith,
  type ApprovalAnswer,
  checkWaits,
  type JournaledCall,
} from "../domain/approval.ts";
import { settlesWithin } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { isAsked, isToolPart, type Part } from "../domain/message.ts";
import { argumentsProblem } from "../models/output.ts";
import type { ActiveRuns } from "./active.ts";
import { modelsOf } from "./admission.ts";
import type { Lanes } from "./lanes.ts";
import type { Parts } from "./parts.ts";
import { withAnswers } from "./plan.ts";
import { busy, chatGone, movedOn } from "./refusals.ts";
import type { RunStream } from "./run_stream.ts";
import type { Sending } from "./sending.ts";
import { isOpenCall } from "./call_parts.ts";

type Needed =
  & Pick<Parts, "toolCalls" | "conversation" | "runs" | "clock">
  & Parameters<typeof modelsOf>[1];

/** Milliseconds to wait for the run that asked to be over. */
const ENDING = 5_000;

/** How often an answer that meets another process's is tried again. */
const TRIES = 5;

/** What a yes or no led to. */
export interface Approved {
  call: JournaledCall;
  /** The run that goes on with it; undefined while others of its answer wait. */
  run: RunStream | undefined;
}

/** Answers calls that wait, in the lanes of their chats. */
export class Approving {
  constructor(
    private readonly parts: Needed,
    private readonly lanes: Lanes,
    private readonly active: ActiveRuns,
    private readonly sending: Sending,
  ) {}

  /**
   * Takes the first answer; once no call of the message waits any more, the message goes on.
   * @throws {AppError} `not_found`, `conflict` for a second answer or if the chat has moved on, `gone`.
   */
  async answer(ownerId: string, given: Omit<ApprovalAnswer, "answeredAt">): Promise<Approved> {
    const found = await this.parts.toolCalls.find(ownerId, given.id);
    if (!found) throw unknownApproval();
    return await this.lanes.take(found.chatId, async () => {
      for (let tries = 0; tries < TRIES; tries++) {
        const approved = await this.#tryAnswer(ownerId, given);
        if (approved) return approved;
      }
      throw movedOn();
    });
  }

  /** Undefined if another process has changed the message since it was read. */
  async #tryAnswer(
    ownerId: string,
    given: Omit<ApprovalAnswer, "answeredAt">,
  ): Promise<Approved | undefined> {
    const { toolCalls, clock, conversation } = this.parts;
    const answer = { ...given, answeredAt: clock.now() };
    const call = await toolCalls.find(ownerId, given.id);
    if (!call) throw unknownApproval();
    checkWaits(call, answer.answeredAt);
    await checkContent(call, answer);
    await this.#checkChat(call);
    const message = await conversation.message(call.chatId, call.messageKey);
    if (!message) throw movedOn();
    const parts = withAnswers(message.parts, [answer]);
    const answered = { ...call, state: answer.approved ? "approved" : "denied" } as const;
    if (!parts.some(waits)) {
      return { call: answered, run: await this.#goOn(call, answer, message) };
    }
    const whole = { ...answer, answers: answersWith(call, answer) };
    if (!await toolCalls.answer(whole, { ...message, parts })) return undefined;
    return { call: answered, run: undefined };
  }

  /** The call is of the last message of its chat, and no run is live. */
  async #checkChat({ ownerId, chatId, runId, messageKey }: JournaledCall): Promise<void> {
    const asking = this.active.get(runId);
    if (asking) await settlesWithin(asking.ended, ENDING, this.parts.clock);
    const state = await this.parts.runs.current(ownerId, chatId);
    if (!state) throw chatGone();
    if (state.live) throw busy(state.live.run.id);
    if (state.leafKey !== messageKey) throw movedOn();
  }

  /** Sends the message back with the answer, as a client of AI SDK 6 does. */
  async #goOn(
    { chatId, ownerId, request, messageId, toolCallId }: JournaledCall,
    answer: ApprovalAnswer,
    { parts, metadata }: {
      parts: Part[];
      metadata: Parameters<Sending["send"]>[0]["message"]["metadata"];
    },
  ): Promise<RunStream> {
    const { model, ...asked } = request!;
    const models = await modelsOf(model, this.parts);
    if (!models) {
      throw new AppError("conflict", "The model is not configured any more", {
        detail: `The answer was made by "${model}". Send it back with another model to go on.`,
      });
    }
    const { stream, begun } = await this.sending.send({
      ...asked,
      models,
      chat: { id: chatId, ownerId },
      message: {
        id: messageId,
        role: "assistant",
        parts: withAnswers(
          parts.filter((part) => isToolPart(part) && part.toolCallId === toolCallId),
          [answer],
        ),
        metadata,
      },
      keyed: undefined,
      busy: "reject",
      remember: answer.remember,
      content: answer.content,
    });
    // It joined the run that goes on with another's answer, by another process.
    if (!begun) throw alreadyAnswered();
    return stream;
  }
}

/** @throws {AppError} `bad_request` if the answer to the tool's question is not one. */
async function checkContent(
  call: JournaledCall,
  answer: Pick<ApprovalAnswer, "approved" | "content">,
): Promise<void> {
  const { question } = call;
  if (!answer.approved || !question) return;
  const content = answersWith(call, answer)[question.message] as JsonObject;
  const problem = await argumentsProblem(content, question.schema);
  if (problem === undefined) return;
  const detail = `Expected an answer to the question of ${call.tool}: ${problem}`;
  throw new AppError("bad_request", "The tool's question is not answered", {
    detail: `${detail}.`,
    validations: [{ field: "content", detail }],
  });
}

/** True for a call that waits for a yes or no, or for its client. */
function waits(part: Part): boolean {
  return isOpenCall(part) || isAsked(part);
}

function unknownApproval(): AppError {
  return new AppError("not_found", "There is no such approval");
}
