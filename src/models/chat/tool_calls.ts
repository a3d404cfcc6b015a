import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";

/** A call as far as it has come. */
interface Call {
  /** As the server gave it, to find the call again; and as the answer shows it. */
  serverId: string;
  id: string;
  index: Json | undefined;
  name: string;
  input: string;
  /** Fields of the call that the server wants back, such as a signature of its thoughts. */
  extra: JsonObject;
}

/**
 * Puts calls together from their deltas. Servers number calls by `index`, by `id`, by both, by neither,
 * or give all the same index; repeat ids, names and whole arguments, or send them empty.
 */
export class ToolCalls {
  readonly #emit: (part: LanguageModelV4StreamPart) => void;
  readonly #newId: () => string;
  readonly #calls: Call[] = [];

  constructor(emit: (part: LanguageModelV4StreamPart) => void, newId: () => string) {
    this.#emit = emit;
    this.#newId = newId;
  }

  /** Takes a delta of one call. */
  take(delta: JsonObject): void {
    const told = isJsonObject(delta["function"]) ? delta["function"] : delta;
    const name = text(told["name"]);
    const input = told["arguments"] ?? told["input"];
    const piece = typeof input === "string" ? input : isEmpty(input) ? "" : JSON.stringify(input);
    const id = text(delta["id"]);
    const index = delta["index"] ?? undefined;
    const call = this.#find(id, index, name, piece) ?? this.#begin(id, index);
    Object.assign(call.extra, extraOf(delta));
    if (call.name === "" && name !== "") {
      call.name = name;
      this.#emit({ type: "tool-input-start", id: call.id, toolName: name });
      if (call.input !== "") this.#tell(call, call.input);
    }
    // The whole of it, once more.
    if (piece === call.input && isWhole(piece)) return;
    call.input += piece;
    if (call.name !== "" && piece !== "") this.#tell(call, piece);
  }

  /** Ends all calls, with what the server wants back beside the first. Returns how many there are. */
  end(beside: JsonObject): number {
    const calls = this.#calls.filter(({ name }) => name !== "");
    calls.forEach(({ id, name, input, extra }, at) => {
      const kept = at === 0 ? { ...extra, ...beside } : extra;
      this.#emit({ type: "tool-input-end", id });
      this.#emit({
        type: "tool-call",
        toolCallId: id,
        toolName: name,
        input,
        ...(Object.keys(kept).length > 0 && { providerMetadata: { compatible: kept } }),
      });
    });
    return calls.length;
  }

  #find(id: string, index: Json | undefined, name: string, piece: string): Call | undefined {
    const byId = id === "" ? undefined : this.#calls.find(({ serverId }) => serverId === id);
    if (byId && (index === undefined || byId.index === index)) return byId;
    const last = this.#calls.findLast((call) => index === undefined || call.index === index);
    if (!last) return undefined;
    // Another id or name under the same number, behind a call that is whole, is another call.
    const isOther = (id !== "" && last.serverId !== "" && id !== last.serverId) ||
      (name !== "" && last.name !== "" && (name !== last.name || /^\s*\{/.test(piece)));
    return isOther && (last.input === "" || isWhole(last.input)) ? undefined : last;
  }

  #begin(serverId: string, index: Json | undefined): Call {
    // Clients find calls by their ids.
    const isTaken = serverId === "" || this.#calls.some(({ id }) => id === serverId);
    const id = isTaken ? this.#newId() : serverId;
    const call: Call = { serverId, id, index, name: "", input: "", extra: {} };
    this.#calls.push(call);
    return call;
  }

  #tell({ id }: Call, delta: string): void {
    this.#emit({ type: "tool-input-delta", id, delta });
  }
}

function extraOf({ extra_content, signature }: JsonObject): JsonObject {
  return {
    ...(!isEmpty(extra_content) && { extra_content: extra_content! }),
    ...(!isEmpty(signature) && { signature: signature! }),
  };
}

function text(value: Json | undefined): string {
  return typeof value === "string" || typeof value === "number" ? String(value).trim() : "";
}

function isEmpty(value: Json | undefined): boolean {
  return value === null || value === undefined || value === "";
}

function isWhole(input: string): boolean {
  if (!/\}\s*$/.test(input)) return false;
  try {
    JSON.parse(input);
    return true;
  } catch {
    return false;
  }
}
