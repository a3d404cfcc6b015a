import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import type { RunIdentity, StoredMessage } from "../domain/records.ts";

/** Events that were published together. */
export interface Segment {
  /** The numbers of its first and last event. */
  first: number;
  last: number;
  events: RunEvent[];
  /** The encoded segment by encoder, in pieces: encoded once, sent to every subscriber. */
  encoded: Map<object, Uint8Array[]>;
}

/** Reads the next page of a run's log, for a position that memory no longer holds. */
type LogReader = (runId: string, after: number) => Promise<LoggedEvent[]>;

/** How much of its log a run keeps in memory: roughly, in characters of JSON. */
const MEMORY = 256 * 1024;

/** How much is published at once, likewise; an event may be larger. */
const SEGMENT = 32 * 1024;

/** What subscribers read of a run: the events published so far, and those to come. */
export class RunStream {
  /** The number of the last published event. */
  head: number;
  /** True once nothing more will be published. */
  closed: boolean;
  /** The answer that the run continues, as it was; undefined if the run makes a new one. */
  before: StoredMessage | undefined;
  /** True if the log is gone and the events were made again: their numbers are not the old ones. */
  remade = false;
  /** The last segments with their sizes, and the sum of these. */
  readonly #segments: Segment[] = [];
  readonly #sizes: number[] = [];
  #size = 0;
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly identity: RunIdentity,
    readonly readLog: LogReader,
    { head, closed }: { head: number; closed: boolean },
  ) {
    this.head = head;
    this.closed = closed;
  }

  /** Takes events that are in the database and notifies every subscriber. */
  publish(events: RunEvent[], last: boolean): void {
    if (this.closed) return;
    for (let from = 0; from < events.length;) {
      let size = 0;
      let to = from;
      while (to < events.length && size < SEGMENT) size += sizeOf(events[to++]!);
      const segment = segmentOf(
        this.head + 1,
        from === 0 && to === events.length ? events : events.slice(from, to),
      );
      this.#segments.push(segment);
      this.#sizes.push(size);
      this.#size += size;
      this.head = segment.last;
      from = to;
    }
    while (this.#size > MEMORY && this.#segments.length > 1) {
      this.#segments.shift();
      this.#size -= this.#sizes.shift()!;
    }
    this.closed = last;
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch {
        // A subscriber that fails loses its own stream, and nothing else.
        this.#listeners.delete(listener);
      }
    }
  }

  /**
   * Subscribes from behind the event `after`; 0 for the whole run. No event is missed or repeated
   * between those published before and those to come. `onChange` is called whenever there is more.
   */
  subscribe(after: number, onChange: () => void): Subscription {
    this.#listeners.add(onChange);
    return new Subscription(this, after, () => this.#listeners.delete(onChange));
  }

  /** True while it has subscribers. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Every event published so far. Before each read it waits for `turn`. */
  async published(turn: () => Promise<void>): Promise<RunEvent[]> {
    const head = this.head;
    const events: RunEvent[] = [];
    while (events.length < head) {
      const segment = this.segmentAfter(events.length);
      if (!segment) await turn();
      const more = segment?.events ??
        (await this.readLog(this.identity.id, events.length)).map(({ event }) => event);
      if (more.length === 0) break;
      for (const event of more) events.push(event);
    }
    return events;
  }

  /** The published segment behind `position`, cut to it; undefined if memory no longer holds it. */
  segmentAfter(position: number): Segment | undefined {
    const segments = this.#segments;
    const first = segments[0];
    if (!first || position + 1 < first.first) return undefined;
    // Newest first: that is what a subscriber that keeps up needs.
    let index = segments.length - 1;
    while (segments[index]!.first > position + 1) index--;
    const segment = segments[index]!;
    if (segment.first === position + 1) return segment;
    return segmentOf(position + 1, segment.events.slice(position + 1 - segment.first));
  }
}

/** One reader of a run. It holds only a position, so a slow reader costs no memory. */
export class Subscription {
  #position: number;

  constructor(
    readonly run: RunStream,
    after: number,
    /** Unsubscribes. The run goes on. */
    readonly close: () => void,
  ) {
    this.#position = after;
  }

  /** True once every event has been taken. */
  get done(): boolean {
    return this.run.closed && this.#position >= this.run.head;
  }

  /** The next segment that is in memory; undefined if there is none. */
  take(): Segment | undefined {
    if (this.#position >= this.run.head) return undefined;
    const segment = this.run.segmentAfter(this.#position);
    if (segment) this.#position = segment.last;
    return segment;
  }

  /** True if the next segment is published, and has to be read from the database. */
  get isBehind(): boolean {
    return this.#position < this.run.head && !this.run.segmentAfter(this.#position);
  }

  /** Reads the next segment from the database: wait for it before taking another. */
  async read(): Promise<Segment> {
    const { head, identity } = this.run;
    const logged = (await this.run.readLog(identity.id, this.#position))
      // An event that is stored but not published may still be lost to a power cut.
      .filter(({ seq }) => seq <= head);
    const first = logged[0];
    if (!first) throw new Error("the log of this run is gone");
    const segment = segmentOf(first.seq, logged.map(({ event }) => event));
    this.#position = segment.last;
    return segment;
  }
}

function segmentOf(first: number, events: RunEvent[]): Segment {
  return { first, last: first + events.length - 1, events, encoded: new Map() };
}

/** The size of an event, roughly, in characters of JSON: nearly all events of a long log are deltas. */
export function sizeOf(event: RunEvent): number {
  return "text" in event ? 48 + event.text.length : JSON.stringify(event).length;
}
