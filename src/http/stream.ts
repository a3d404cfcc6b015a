import type { Turns } from "../domain/turns.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { RunStream, Segment, Subscription } from "../runs/run_stream.ts";
import type { WireEncoder } from "../wire/encoder.ts";
import { SIGNED_OUT } from "./auth.ts";
import { type Pace, pacedBody, PIECE } from "./paced_body.ts";

/** The options of a response stream. */
export interface StreamOptions extends Pace {
  encoder: WireEncoder;
  /** The event after which it begins; 0 for the whole run. */
  after: number;
  /** Taken to read from the database. */
  turns: Turns;
}

/** The headers of a stream, which no proxy may hold back. */
export const STREAM_HEADERS = {
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/**
 * A run as the body of a response, written in whole frames. A slow client delays nobody else, because
 * the stream reads the run's log at the client's pace.
 */
export function runStream(run: RunStream, options: StreamOptions): ReadableStream<Uint8Array> {
  const { encoder, after, turns, ...pace } = options;
  const { id } = run.identity;
  const failure = { class: "internal", message: SIGNED_OUT, retryable: false } as const;
  const bye = encoder.encode({ seq: 0, event: { type: "error", failure, usage: NO_USAGE } }, id);
  const read = async (subscription: Subscription) => {
    await turns.next();
    return encodeSegment(await subscription.read(), encoder, id);
  };
  return pacedBody((onChange) => {
    const subscription = run.subscribe(after, onChange);
    return {
      get done() {
        return subscription.done;
      },
      take() {
        const taken = subscription.take();
        if (taken) return encodeSegment(taken, encoder, id);
        return subscription.isBehind ? read(subscription) : undefined;
      },
      close: subscription.close,
    };
  }, {
    ...pace,
    keepAlive: encoder.keepAlive,
    end: encoder.end,
    farewell: bye + encoder.end,
  });
}

/** A segment's bytes, in pieces of whole frames. They are encoded once for all subscribers. */
function encodeSegment(segment: Segment, encoder: WireEncoder, runId: string): Uint8Array[] {
  const known = segment.encoded.get(encoder);
  if (known) return known;
  const pieces: Uint8Array[] = [];
  let text = "";
  const cut = () => {
    if (text !== "") pieces.push(new TextEncoder().encode(text));
    text = "";
  };
  segment.events.forEach((event, index) => {
    const frame = encoder.encode({ seq: segment.first + index, event }, runId);
    if (text.length + frame.length > PIECE) cut();
    text += frame;
  });
  cut();
  segment.encoded.set(encoder, pieces);
  return pieces;
}
