import type { JsonObject } from "./json.ts";

/** A tool declared by a request, and run by its client. */
export interface ToolDefinition {
  name: string;
  description?: string | undefined;
  /** The JSON schema of its arguments. */
  schema: JsonObject;
}

/** The required JSON format of an answer. */
export interface OutputFormat {
  name?: string | undefined;
  /** A JSON schema. */
  schema: JsonObject;
}
