import type { Json, JsonObject } from "./json.ts";

/** A tool that a model may call: one of the client's, unless it is a `ServerTool`. */
export interface ToolDefinition {
  name: string;
  description?: string | undefined;
  /** The JSON schema of its arguments. */
  schema: JsonObject;
}

/** What a tool says of its own effects. */
export interface ToolEffects {
  /** True if it changes nothing. */
  readOnly: boolean;
  /** True if a second call with the same arguments changes nothing more. */
  idempotent: boolean;
}

/** A tool that this server runs, as a model sees it: its name is `SERVER__TOOL`. */
export interface ServerTool extends ToolDefinition, ToolEffects {
  /** The name of its tool server. */
  server: string;
}

/** How a tool server is: `idle` until it is first needed. */
export interface ServerStatus {
  status: "idle" | "starting" | "ready" | "failed";
  /** Why it failed, for people: without a secret. */
  error?: string;
}

/** A call of a tool that this server runs. */
export interface ToolCall {
  /** Unique among the calls of all chats. */
  id: string;
  tool: string;
  /** Its arguments, which fit the tool's schema. */
  input: JsonObject;
  runId: string;
  chatId: string;
  ownerId: string;
  /** What a person has answered to its questions, by their message. */
  answers: JsonObject;
}

/** What a tool asks a person before it can go on. */
export interface ToolQuestion {
  message: string;
  /** The JSON schema of the answer, an object. */
  schema: JsonObject;
}

/** A file that a tool made. It is kept as a file of the chat. */
export interface ToolFile {
  mediaType: string;
  bytes: Uint8Array<ArrayBuffer>;
  filename?: string;
}

/**
 * What came of a call: for the model, and for people. A failure is told in words. A tool that asks
 * something is called again once that is answered.
 */
export type ToolResult = ToolOutput | { errorText: string } | { question: ToolQuestion };

/** What a call that succeeded gave. */
export interface ToolOutput {
  output: Json;
  files?: ToolFile[];
}

/** The required JSON format of an answer. */
export interface OutputFormat {
  name?: string | undefined;
  /** A JSON schema. */
  schema: JsonObject;
}

/** The path to which a browser comes back from a sign-in at a tool server. */
export const SIGN_IN_PATH = "/api/v2/tools/sign-in";
