/** Messages without what differs between a client and the history by the client's own doing. */
import type { Json } from "../../src/domain/json.ts";
import type { UiClient } from "./clients.ts";

/** A message that is compared. */
export type Shown = { parts: Record<string, Json>[]; [key: string]: unknown };

/**
 * A message as far as a client's own form tells: the newer one keeps the id of a reasoning; the older
 * one drops the notes of a file and keeps the arguments of a failed call under another name; and what
 * a call has of arguments that are not whole yet is the client's guess.
 */
export function asShownByUi(client: UiClient, message: Record<string, Json>): Shown {
  const parts = (message["parts"] as Record<string, Json>[]).map((part) => {
    const { rawInput, ...rest } = part;
    if (part["state"] === "input-streaming") return { ...rest, input: null };
    if (part["type"] === "reasoning") return { ...part, id: null };
    if (client !== "ai@5.0.93") return part;
    if (part["type"] === "file") return { ...rest, providerMetadata: null };
    return rawInput === undefined ? rest : { ...rest, input: rawInput };
  });
  return { ...message, parts };
}

/**
 * A message as far as AI SDK 4's client has it: it invents `createdAt` and `revisionId`, makes one
 * detail of reasonings that nothing redacted parts, guesses arguments that are not whole yet, and shows
 * a signature with what comes next, which may be an error. How an answer ended it hears from the stream
 * itself.
 */
export function asShownByV4(message: Record<string, Json>, { failed = false } = {}): Shown {
  const { createdAt: _, revisionId: __, annotations, ...rest } = message;
  const own = (annotations as Record<string, Json>[] | undefined)?.filter((item) => !item["run"]);
  const parts = (message["parts"] as Record<string, Json>[]).map((part) => {
    if (part["type"] === "reasoning") {
      const details = joinDetails(part["details"] as Detail[]);
      return {
        ...part,
        details: failed ? details.map(({ signature: _, ...rest }) => rest) : details,
      };
    }
    return part["type"] === "tool-invocation"
      ? { ...part, toolInvocation: known(part["toolInvocation"] as Record<string, Json>) }
      : part;
  });
  const invocations = message["toolInvocations"] as Record<string, Json>[] | undefined;
  return {
    ...rest,
    parts,
    ...(own?.length && { annotations: own }),
    ...(invocations && { toolInvocations: invocations.map(known) }),
  };
}

type Detail = { type: string; text: string; signature?: string };

function joinDetails(details: Detail[]): Detail[] {
  const joined: Detail[] = [];
  for (const detail of details) {
    const last = joined.at(-1);
    if (detail.type === "text" && last?.type === "text") {
      joined[joined.length - 1] = { ...last, ...detail, text: last.text + detail.text };
    } else joined.push(detail);
  }
  return joined;
}

function known(invocation: Record<string, Json>): Record<string, Json> {
  return invocation["state"] === "partial-call" ? { ...invocation, args: null } : invocation;
}
