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

/** About how many characters are written at once, where one event is not longer. */
const PIECE = 64 * 1024;

/** For how many keep-alives a client may take nothing before it is dropped. It may resume. */
const MAX_STALLS = 4;

/**
 * A run as the body of a response. Whole frames a write; a client that reads slowly holds nothing up
 * and costs no more than the buffer and a page, since the run's log is read at the client's pace.
 */
export function runStream(run: LiveRun, options: StreamOptions): ReadableStream<Uint8Array> {
  const { encoder, keepAliveMs, onClose } = options;
  let subscription: Subscription;
  /** What was taken from the subscription and not written yet, the last first. */
  let unsent: Uint8Array[] = [];
  let sentBytes = 0;
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
      if (options.first) write(controller, new TextEncoder().encode(options.first));
      subscription = run.subscribe(options.after, () => pump(controller));
      const stalls = stallsOf(() => sentBytes - BUFFER + (controller.desiredSize ?? 0));
      timer = setInterval(() => {
        const isFull = (controller.desiredSize ?? 0) <= 0;
        if (stalls(isFull) > MAX_STALLS) {
          close();
          return controller.error(new Error("the client takes nothing"));
        }
        if (!written && !isFull) write(controller, new TextEncoder().encode(encoder.keepAlive));
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
      const piece = unsent.pop();
      if (piece) {
        written = true;
        write(controller, piece);
        continue;
      }
      const taken = subscription.take();
      if (taken instanceof Promise) return read(controller, taken);
      if (!taken) break;
      unsent = encodeSegment(taken, encoder).toReversed();
    }
    if (!closed && unsent.length === 0 && subscription.done) finish(controller);
  }

  function read(
    controller: ReadableStreamDefaultController<Uint8Array>,
    taken: Promise<Segment>,
  ): void {
    reading = true;
    taken.then((segment) => {
      reading = false;
      if (!closed) unsent = encodeSegment(segment, encoder).toReversed();
      pump(controller);
    }).catch((error) => {
      if (closed) return;
      close();
      controller.error(error);
    });
  }

  function write(
    controller: ReadableStreamDefaultController<Uint8Array>,
    bytes: Uint8Array,
  ): void {
    sentBytes += bytes.byteLength;
    controller.enqueue(bytes);
  }

  function finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    close();
    if (encoder.end !== "") controller.enqueue(new TextEncoder().encode(encoder.end));
    controller.close();
  }
}

/**
 * Counts the looks in a row at which the buffer was full and the client had taken nothing since the
 * look before. A full buffer alone means no more than that it reads slower than the answer is made.
 */
function stallsOf(takenBytes: () => number): (isFull: boolean) => number {
  let before = 0;
  let stalls = 0;
  return (isFull) => {
    const taken = takenBytes();
    stalls = isFull && taken === before ? stalls + 1 : 0;
    before = taken;
    return stalls;
  };
}

/** A segment's bytes, in pieces of whole frames: encoded once for all who read it. */
function encodeSegment(segment: Segment, encoder: WireEncoder): Uint8Array[] {
  const known = segment.encoded.get(encoder);
  if (known) return known;
  const pieces: Uint8Array[] = [];
  let text = "";
  const cut = () => {
    if (text !== "") pieces.push(new TextEncoder().encode(text));
    text = "";
  };
  segment.events.forEach((event: RunEvent, index) => {
    const frame = encoder.encode({ seq: segment.first + index, event });
    if (text.length + frame.length > PIECE) cut();
    text += frame;
  });
  cut();
  segment.encoded.set(encoder, pieces);
  return pieces;
}
