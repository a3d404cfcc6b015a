import { dataStream } from "./data_stream.ts";
import type { WireEncoder } from "./encoder.ts";
import { uiMessageStream } from "./ui_message_stream.ts";

/** The protocols that Parley speaks, by the names of `?protocol=`. */
export const PROTOCOLS = ["data", "ui"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** What of a request tells which protocol its client speaks. */
export interface Signs {
  /** `?protocol=`, which decides. */
  query: Protocol | undefined;
  header: (name: string) => string | undefined;
  /** The body, where there is one: only AI SDK 5+ sends a `trigger`. */
  body?: { trigger?: unknown };
  /** What counts where nothing tells; the seed's protocol by default. */
  otherwise?: Protocol | undefined;
}

/** The protocol in which a request is answered. */
export function negotiate({ query, header, body, otherwise = "data" }: Signs): Protocol {
  if (query) return query;
  if (header("x-vercel-ai-ui-message-stream") === "v1") return "ui";
  if (header("accept")?.includes("text/event-stream")) return "ui";
  if (body?.trigger !== undefined) return "ui";
  return otherwise;
}

/** The encoder of a protocol. */
export function encoderOf(protocol: Protocol): WireEncoder {
  return protocol === "ui" ? uiMessageStream : dataStream;
}
