import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import type { RunIdentity, StoredMessage } from "../domain/ports.ts";
import { isEnded, nextState, type RunState, type RunTransition } from "../domain/run.ts";

/** Events that were published together. */
export interface Segment {
  /** The numbers of its first and last event. */
  first: number;
  last: number;
  events: RunEvent[];
  /** What encoders made of the segment, in pieces: made once, sent to every subscriber. */
  encoded: Map<object, Uint8Array[]>;
}

/** Reads the log of a run from the database, for a position that memory no longer holds. */
type LogReader = (runId: string, after: number) => Promise<LoggedEvent[]>;

/** How much of its log a run keeps in memory, in characters of JSON, by rough count. */
const MEMORY = 256 * 1024;

/** A run as subscribers see it: what was published, and what comes. */
export class LiveRun {
  /** The number of the last published event. */
  head: number;
  /** True once nothing more will be published. */
  closed = false;
  /** The answer that the run continues, as it was; undefined where it makes a new one. */
  before: StoredMessage | undefined;
  /** True where its log is gone and the events are made anew: their numbers are not those of before. */
  remade = false;
  #state: RunState;
  readonly #segments: Segment[] = [];
  #size = 0;
  readonly #listeners = new Set<() => void>();

  constructor(
    readonly identity: RunIdentity,
    readonly readLog: LogReader,
    at: { state: RunState; head: number },
  ) {
    this.#state = at.state;
    this.head = at.head;
    this.closed = isEnded(at.state);
  }

  /**
   * Makes a move of the run's state machine.
   * @throws {Error} for a move that the run cannot make.
   */
  move(transition: RunTransition): void {
    const next = nextState(this.#state, transition);
    if (!next) throw new Error(`a run that is ${this.#state} cannot ${transition}`);
    this.#state = next;
  }

  /** Takes events that are in the database and tells every subscriber. */
  publish(events: RunEvent[], last: boolean): void {
    if (this.closed) return;
    if (events.length > 0) {
      const segment = segmentOf(this.head + 1, events);
      this.head = segment.last;
      this.#segments.push(segment);
      this.#size += sizeOf(segment);
      while (this.#size > MEMORY && this.#segments.length > 1) {
        this.#size -= sizeOf(this.#segments.shift()!);
      }
    }
    this.closed = last;
    for (const listener of [...this.#listeners]) listener();
  }

  /**
   * Joins behind the event `after`; 0 for the whole run. What was published before and what comes
   * after are one sequence: nothing falls between. `onChange` is called whenever there is more.
   */
  subscribe(after: number, onChange: () => void): Subscription {
    this.#listeners.add(onChange);
    return new Subscription(this, after, () => this.#listeners.delete(onChange));
  }

  /** True while someone reads it. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /** Every event that is published so far. */
  async published(): Promise<RunEvent[]> {
    const head = this.head;
    const events: RunEvent[] = [];
    while (events.length < head) {
      const segment = this.segmentAfter(events.length);
      const more = segment?.events ??
        (await this.readLog(this.identity.id, events.length)).map(({ event }) => event);
      if (more.length === 0) break;
      for (const event of more) events.push(event);
    }
    return events;
  }

  /** The published segment behind `position`, cut to it; undefined where memory has it no more. */
  segmentAfter(position: number): Segment | undefined {
    const segments = this.#segments;
    const first = segments[0];
    if (!first || position + 1 < first.first) return undefined;
    // A subscriber that keeps up wants the newest one.
    let index = segments.length - 1;
    while (segments[index]!.first > position + 1) index--;
    const segment = segments[index]!;
    if (segment.first === position + 1) return segment;
    return segmentOf(position + 1, segment.events.slice(position + 1 - segment.first));
  }
}

/** One reader of a run. It holds a position and nothing else, so a slow one costs no memory. */
export class Subscription {
  #position: number;

  constructor(
    readonly run: LiveRun,
    after: number,
    /** Leaves. The run goes on. */
    readonly close: () => void,
  ) {
    this.#position = after;
  }

  /** True once every event was taken. */
  get done(): boolean {
    return this.run.closed && this.#position >= this.run.head;
  }

  /**
   * The next segment, or undefined where there is none yet. A promise where it has to be read from
   * the database: take no other before it has resolved.
   */
  take(): Segment | Promise<Segment> | undefined {
    if (this.#position >= this.run.head) return undefined;
    const segment = this.run.segmentAfter(this.#position);
    if (!segment) return this.#read();
    this.#position = segment.last;
    return segment;
  }

  async #read(): Promise<Segment> {
    const { head, identity } = this.run;
    const logged = (await this.run.readLog(identity.id, this.#position))
      // What is stored and not yet published may still be lost to a power cut.
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

function sizeOf(segment: Segment): number {
  let size = 0;
  for (const event of segment.events) size += 48 + textLength(event);
  return size;
}

function textLength(event: RunEvent): number {
  switch (event.type) {
    case "text-delta":
    case "reasoning-delta":
    case "tool-input-delta":
      return event.text.length;
    case "file":
      return event.url.length;
    case "tool-input":
      return JSON.stringify(event.input).length;
    case "tool-output":
      return JSON.stringify(event.output).length;
    default:
      return 64;
  }
}
