import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { AttachedFiles, SizedFile } from "../domain/attached.ts";
import type { FinishReason, RunEvent } from "../domain/event.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { Usage } from "../domain/usage.ts";
import type { CatalogModel } from "./catalog.ts";

/** One request to a model. */
export interface Step {
  model: CatalogModel;
  prompt: LanguageModelV4Prompt;
  /** The files that the prompt has placeholders for. */
  files?: AttachedFiles<SizedFile>;
  /** True if the message to answer has files itself. */
  isAboutFiles?: boolean;
  /** The size of the prompt, for an estimate if the provider counts no tokens. */
  promptCharacters: number;
  /** True if the provider is not to be told to cache the prompt. */
  isUncached?: boolean;
  /** True to ask for reasoning. */
  thinking: boolean;
  maxOutputTokens?: number;
  /** The client's tools and, as `ServerTool`s, this server's. */
  tools?: readonly ToolDefinition[];
  /** The JSON that the answer must be. */
  output?: OutputFormat;
}

/** How a successful step ended. */
export interface StepOutcome {
  finishReason: FinishReason;
  usage: Usage;
}

/** Takes an event; a promise asks the caller to wait. */
export type Emit = (event: RunEvent) => Promise<void> | void;
