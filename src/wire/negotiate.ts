import { dataStream } from "./data_stream.ts";
import type { WireEncoder } from "./encoder.ts";
import { uiMessageStream } from "./ui_message_stream.ts";

/** The protocols that Parley speaks, as named in `?protocol=`. */
export const PROTOCOLS = ["data", "ui"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The encoder of each protocol. */
export const ENCODERS: Readonly<Record<Protocol, WireEncoder>> = {
  data: dataStream,
  ui: uiMessageStream,
};

/**
 * Chooses the protocol of a response: by `?protocol=`, else by the request's headers, else the one
 * that is given, by default AgenticChat's.
 */
export function negotiate(
  query: Protocol | undefined,
  headers: Headers,
  otherwise: Protocol = "data",
): Protocol {
  const isUi = headers.get("x-vercel-ai-ui-message-stream") === "v1" ||
    headers.get("accept")?.includes("text/event-stream");
  return query ?? (isUi ? "ui" : otherwise);
}
