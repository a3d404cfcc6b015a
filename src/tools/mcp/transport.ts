import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client";
import { deepField, isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";

/** A transport as a connection needs it. */
export interface ServerTransport extends Transport {
  /** Why it ended, if it was not told to: the rest of a sentence that begins with the server. */
  readonly failure: string | undefined;
  /** Called if the server cannot say, or could not for a while, that its list of tools changed. */
  onunwatched?: () => void;
}

/** The largest schema of a tool's arguments, in characters of JSON. */
const MAX_SCHEMA = 128 * 1024;

/** The longest name and description of a tool, in characters. */
const MAX_NAME = 256;
const MAX_DESCRIPTION = 16 * 1024;

/**
 * A message as the SDK should see it: for the SDK one tool that is not valid makes all of the list so.
 */
export function usable(message: unknown): JSONRPCMessage {
  const result = isJsonObject(message) ? message["result"] : undefined;
  if (isJsonObject(result) && Array.isArray(result["tools"])) {
    result["tools"] = result["tools"].flatMap((tool) => usableTool(tool) ?? []);
  }
  return message as JSONRPCMessage;
}

/** What matters of a tool; undefined if no model could be told of it. */
function usableTool(tool: Json): JsonObject | undefined {
  if (!isJsonObject(tool)) return undefined;
  const { name, description, inputSchema, annotations } = tool;
  if (typeof name !== "string" || name === "" || name.length > MAX_NAME) return undefined;
  if (!isJsonObject(inputSchema)) return undefined;
  // Many a server that has no arguments to describe says nothing.
  const { type = "object" } = inputSchema;
  if (type !== "object") return undefined;
  if (deepField(inputSchema) !== undefined) return undefined;
  if (JSON.stringify(inputSchema).length > MAX_SCHEMA) return undefined;
  const { readOnlyHint, idempotentHint } = isJsonObject(annotations) ? annotations : {};
  return {
    name,
    inputSchema: { ...inputSchema, type },
    ...(typeof description === "string" && {
      description: description.slice(0, MAX_DESCRIPTION),
    }),
    annotations: {
      readOnlyHint: readOnlyHint === true,
      idempotentHint: idempotentHint === true,
    },
  };
}
