import type { Unattended } from "../domain/approval.ts";
import type { Attempt } from "../domain/attempt.ts";
import type { RunRecord, StoredMessage } from "../domain/records.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { CatalogModel } from "../models/catalog.ts";
import type { Continuation } from "./continuation.ts";

/** How an answer is to be made. */
export interface AnswerRequest {
  /** What to ask, and then what to ask instead if that fails. */
  models: readonly [CatalogModel, ...CatalogModel[]];
  thinking: boolean;
  tools: ToolDefinition[];
  output: OutputFormat | null;
  unattended: Unattended;
}

/** A run that is stored and not being made yet. */
export interface RunJob {
  record: RunRecord;
  request: AnswerRequest;
  /** The message to answer; or the answer to continue with the results of its tool calls. */
  prompt: StoredMessage;
  /** The first attempt, opened already. */
  attempt: Attempt;
  /** Set if the run goes on with what a former process left. */
  continuation?: Continuation;
}
