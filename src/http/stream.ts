import type { RunEvent } from "../domain/event.ts";
import type { LiveRun, Segment, Subscription } from "../runs/live_run.ts";
import type { WireEncoder } from "../wire/encoder.ts";

/** What a response stream needs. */
export interface StreamOptions {
  encoder: WireEncoder;
  /** The event behind which it begins; 0 for the whole run. */
  after: number;
  /** Sent ahead of them. */
  first?: string;
  /** How long it may be silent, in milliseconds. */
  keepAliveMs: number;
  /** Called once when the stream is over, however it ends. */
  onClose: () => void;
}

/** How many bytes wait for a client before the stream stops taking more. */
const BUFFER = 64 * 1024;

/** For how many keep-alives a client may take nothing before it is dropped. It may resume. */
const MAX_STALLS = 4;

/**
 * A run as the body of a response. Whole frames a write; a client that reads slowly holds nothing up
 * and costs no more than the buffer, since the run's log is read at the client's pace.
 */
export function runStream(run: LiveRun, options: StreamOptions): ReadableStream<Uint8Array> {
  const { encoder, keepAliveMs, onClose } = options;
  let subscription: Subscription;
  let silentFor = 0;
  let timer: ReturnType<typeof setInterval>;
  let written = false;
  let closed = false;
  let reading = false;
  const close = () => {
    closed = true;
    clearInterval(timer);
    subscription.close();
    onClose();
  };

  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (options.first) controller.enqueue(new TextEncoder().encode(options.first));
      subscription = run.subscribe(options.after, () => pump(controller));
      timer = setInterval(() => {
        const stalled = (controller.desiredSize ?? 0) <= 0;
        silentFor = stalled ? silentFor + 1 : 0;
        if (silentFor > MAX_STALLS) {
          close();
          return controller.error(new Error("the client takes nothing"));
        }
        if (!written && !stalled) {
          controller.enqueue(new TextEncoder().encode(encoder.keepAlive));
        }
        written = false;
      }, keepAliveMs);
    },
    pull: (controller) => pump(controller),
    cancel: close,
  }, { highWaterMark: BUFFER, size: (chunk) => chunk.byteLength });

  function pump(controller: ReadableStreamDefaultController<Uint8Array>): void {
    // What is read was taken from the subscription, and is not sent yet.
    if (reading) return;
    // `enqueue` may pull at once, and so end the stream under this loop.
    while (!closed && (controller.desiredSize ?? 0) > 0) {
      const taken = subscription.take();
      if (taken instanceof Promise) {
        reading = true;
        taken.then((segment) => {
          reading = false;
          if (!closed) send(controller, segment);
          pump(controller);
        }).catch((error) => {
          if (closed) return;
          close();
          controller.error(error);
        });
        return;
      }
      if (!taken) break;
      send(controller, taken);
    }
    if (!closed && subscription.done) finish(controller);
  }

  function send(
    controller: ReadableStreamDefaultController<Uint8Array>,
    segment: Segment,
  ): void {
    const bytes = encodeSegment(segment, encoder);
    if (bytes.length === 0) return;
    written = true;
    controller.enqueue(bytes);
  }

  function finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    close();
    if (encoder.end !== "") controller.enqueue(new TextEncoder().encode(encoder.end));
    controller.close();
  }
}

/** A segment's bytes: encoded once for all who read it. */
function encodeSegment(segment: Segment, encoder: WireEncoder): Uint8Array {
  let bytes = segment.encoded.get(encoder);
  if (!bytes) {
    let text = "";
    segment.events.forEach((event: RunEvent, index) => {
      text += encoder.encode({ seq: segment.first + index, event });
    });
    bytes = new TextEncoder().encode(text);
    segment.encoded.set(encoder, bytes);
  }
  return bytes;
}
