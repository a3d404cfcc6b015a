/** Calls of tools in the journal, and the yes or no that some of them need: pure. */
import { AppError } from "./errors.ts";
import { sha256 } from "./hash.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import type { OutputFormat, ToolDefinition, ToolQuestion } from "./tool.ts";

/** What may happen to a call: `ask` ends the run until a person has said yes or no. */
export const TOOL_ACTIONS = ["allow", "ask", "deny"] as const;
export type ToolAction = (typeof TOOL_ACTIONS)[number];

/** What happens to calls that need a yes: a run that nobody watches denies them. */
export const UNATTENDED = ["ask", "deny"] as const;
export type Unattended = (typeof UNATTENDED)[number];

/**
 * The state of a call in the journal.
 *
 * - `asked`: it waits for a yes or no.
 * - `approved`, `denied`: it has it, and has not run.
 * - `running`: it was about to run, and may have.
 * - `done`: what came of it is in its message.
 * - `unknown`: its process ended while it ran. It never runs again; the same call may be asked for anew.
 */
export type CallState = "asked" | "approved" | "denied" | "running" | "done" | "unknown";

/** A call of a tool that this server runs, as the journal has it. */
export interface JournaledCall {
  /** Also the id of its approval. */
  id: string;
  runId: string;
  chatId: string;
  ownerId: string;
  /** The id of the answer that has it, and its stored key. */
  messageId: string;
  messageKey: string;
  toolCallId: string;
  tool: string;
  input: JsonObject;
  /** Of the tool and its input: a yes is for these alone. */
  hash: string;
  state: CallState;
  /** True if it may run twice: it changes nothing, or nothing more. */
  isRepeatable: boolean;
  /** True for a call that may have run: it is asked for again, after a crash. */
  isInDoubt: boolean;
  /** What the tool itself asks; null if Parley asks whether it may run. */
  question: ToolQuestion | null;
  /** What was answered to its questions, by their message. */
  answers: JsonObject;
  createdAt: number;
  /** When a call that waits can no longer be answered. */
  expiresAt: number;
  /** With what the answer goes on; null where that is not read, or another call of the message has it. */
  request: PausedRequest | null;
}

/** What a run was asked with that waits for a yes. */
export interface PausedRequest {
  model: string;
  protocol: string;
  thinking: boolean;
  tools: ToolDefinition[];
  output: OutputFormat | null;
  unattended: Unattended;
}

/** A yes or no. */
export interface ApprovalAnswer {
  /** The id of the approval. */
  id: string;
  approved: boolean;
  reason?: string | undefined;
  /** True if it counts for all calls of the tool in this chat from now on. */
  remember?: boolean;
  /** The answer to the tool's question; by default, what its schema says. */
  content?: JsonObject | undefined;
  answeredAt: number;
}

/** A yes or no, with all answers to the questions of its call. */
export interface GivenAnswer extends ApprovalAnswer {
  answers: JsonObject;
}

/** The answers to a call's questions, with this one. */
export function answersWith(
  { question, answers }: JournaledCall,
  { content }: Pick<ApprovalAnswer, "content">,
): JsonObject {
  return question ? { ...answers, [question.message]: content ?? defaultsOf(question) } : answers;
}

/** What a form has before anybody fills it in; a yes without more is a yes to each question. */
function defaultsOf({ schema }: ToolQuestion): JsonObject {
  const fields = isJsonObject(schema["properties"]) ? schema["properties"] as JsonObject : {};
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, field]): [string, Json][] => {
      if (!isJsonObject(field)) return [];
      if (field["default"] !== undefined) return [[name, field["default"] as Json]];
      return field["type"] === "boolean" ? [[name, true]] : [];
    }),
  );
}

/**
 * Checks that a call waits for a yes or no.
 * @throws {AppError} `conflict` if it has been answered, `gone` if it is too late.
 */
export function checkWaits({ state, expiresAt, tool }: JournaledCall, now: number): void {
  if (state !== "asked") {
    throw alreadyAnswered(
      state === "unknown"
        ? `It is not known whether ${tool} ran. A new approval asks for it again.`
        : `The call of ${tool} was ${state === "denied" ? "denied" : "approved"} before.`,
    );
  }
  if (expiresAt <= now) {
    throw new AppError("gone", "This approval has expired", {
      detail: `It could be answered until ${new Date(expiresAt).toISOString()}.`,
    });
  }
}

/** The refusal of a second answer. */
export function alreadyAnswered(detail = "The first answer counts."): AppError {
  return new AppError("conflict", "This approval has been answered", { detail });
}

/** The hash that a yes is bound to: of the tool, and of its input whatever the order of its keys. */
export function callHash(tool: string, input: Json | undefined): string {
  return sha256(JSON.stringify([tool, sorted(input ?? null)]));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1)
      .map(([key, child]) => [key, sorted(child!)]),
  );
}
