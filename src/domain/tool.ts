import type { JsonObject } from "./json.ts";

/** A tool as a request declares it: the client runs it. */
export interface ToolDefinition {
  name: string;
  description?: string | undefined;
  /** The JSON schema of its arguments. */
  schema: JsonObject;
}

/** The JSON that an answer must be. */
export interface OutputFormat {
  name?: string | undefined;
  /** A JSON schema. */
  schema: JsonObject;
}
