import type { Chat } from "../domain/chat.ts";
import type { InterruptPolicy } from "../domain/policies.ts";
import type { FoundRun, QueuedSend, RunRecord } from "../domain/ports.ts";
import { type ActiveParts, ActiveRuns } from "./active.ts";
import type { AnswerJob } from "./answer.ts";
import { Leases } from "./leases.ts";
import type { LiveRun } from "./live_run.ts";
import { OthersRuns, type Stopped } from "./others.ts";
import { recoverRuns } from "./recovery.ts";
import { queuedRun, replayRun } from "./replay.ts";
import { Sending, type SendingParts, type SendRequest } from "./sending.ts";
import { WaitingRuns } from "./waiting.ts";

/** What runs need. */
export interface RunsParts extends Omit<SendingParts, "leases">, ActiveParts {
  /** The id of this process. */
  owner: string;
  /** True where other processes may use the same database. */
  shared: boolean;
  onInterrupt: InterruptPolicy;
}

/** Owns the life of every run: it knows neither HTTP nor wire formats. */
export class Runs {
  readonly #parts: RunsParts & SendingParts;
  readonly #active: ActiveRuns;
  readonly #waiting: WaitingRuns;
  readonly #sending: Sending;
  readonly #others: OthersRuns;

  constructor(parts: RunsParts) {
    const { runs, clock, owner, shared } = parts;
    const onLost = (ids: Set<string>) => this.#active.lose(ids);
    const onStop = (ids: string[]) => this.#active.heed(ids);
    const onSweep = () => this.recover();
    const leases = new Leases({ runs, clock, owner, shared, onLost, onStop, onSweep });
    this.#parts = { ...parts, leases };
    this.#active = new ActiveRuns(parts, (chatId) => this.#sending.goOn(chatId));
    this.#waiting = new WaitingRuns(parts);
    this.#others = new OthersRuns(parts);
    this.#sending = new Sending(this.#parts, {
      waiting: this.#waiting,
      start: (job) => this.#start(job),
      find: (ownerId, runId) => this.find(ownerId, runId),
      stop: (chat, runId) => this.stop(chat, runId),
    });
  }

  /** Ends or takes up what processes before this one left behind. */
  async recover(): Promise<void> {
    if (this.#sending.closed) return;
    await this.#sending.track(this.#recover());
  }

  /** Keeps the leases of live runs until `close`. */
  keepLeases(): void {
    this.#parts.leases.keep(() => this.#active.ids());
  }

  /**
   * Stores the message and starts its answer, or joins the run that answers it already. Resolves
   * once the message would survive a power cut; the run goes on whatever becomes of the caller.
   * @throws {AppError} with nothing stored: `bad_request` for an unknown model or a wrong id,
   * `conflict` while the chat has a live run, `unprocessable` for a key that came with something
   * else, `unavailable` during shutdown, `not_found` where the chat is gone.
   */
  send(request: SendRequest): Promise<LiveRun> {
    return this.#sending.send(request);
  }

  /** The run with that id, wherever it stands; undefined where the owner has none. */
  async find(ownerId: string, runId: string): Promise<LiveRun | undefined> {
    const here = this.#here(runId);
    if (here && here.identity.ownerId !== ownerId) return undefined;
    if (here && !here.closed) return here;
    // The queue first: a message that begins in between is a run by then.
    const queued = await this.#waiting.find(ownerId, runId);
    const found = await this.#parts.runs.find(ownerId, runId);
    if (found) return await this.#open(found);
    return queued && (this.#here(runId) ?? this.#waiting.join(queued.run));
  }

  /** Which run is live in the chat, for who does not read it; undefined while it is idle. */
  async liveRecord(chat: Chat): Promise<RunRecord | undefined> {
    return (await this.#parts.runs.live(chat.ownerId, chat.id))?.run;
  }

  /** The chat's live run, to be read: another process's is followed from now on. */
  async live(chat: Chat): Promise<LiveRun | undefined> {
    const found = await this.#parts.runs.live(chat.ownerId, chat.id);
    return found && this.#open(found);
  }

  /** The chat's newest run, as long as its log is kept. */
  async latest(chat: Chat): Promise<LiveRun | undefined> {
    const found = await this.#parts.runs.latest(chat.ownerId, chat.id);
    return found && found.lastSeq > 0 ? this.#open(found) : undefined;
  }

  /**
   * Stops the chat's live run, whichever process makes it, and waits until what it said is stored. With
   * a run's id, only that run. Undefined where there was nothing to stop.
   */
  async stop(chat: Pick<Chat, "id" | "ownerId">, runId?: string): Promise<Stopped | undefined> {
    return await this.#active.stop(chat.id, runId) ?? await this.#others.stop(chat, runId);
  }

  /** Stops what the chat does and ends what waits in it, for it is about to be deleted. */
  async abandon(chat: Chat): Promise<void> {
    for (const { run } of await this.queued(chat)) await this.cancel(chat, run.id);
    await this.stop(chat);
  }

  /** The messages of the chat that wait, in order. */
  queued(chat: Chat): Promise<QueuedSend[]> {
    return this.#waiting.list(chat);
  }

  /** Removes a message that waits; false where it does not, or not any more. */
  cancel(chat: Chat, runId: string): Promise<boolean> {
    return this.#waiting.cancel(chat, runId);
  }

  /**
   * Takes no new runs, gives live ones `graceMs` to end, then stops them, and waits until all that
   * they said is stored. What waits in queues goes on at the next start.
   */
  async close(graceMs: number): Promise<void> {
    this.#sending.close();
    this.#waiting.close();
    await this.#active.close(graceMs);
    // What was on its way may have begun another.
    await this.#sending.settled();
    await this.#active.close(0);
    // Until here the runs are this process's.
    this.#parts.leases.close();
    this.#others.close();
    await this.#parts.namer.close();
  }

  async #recover(): Promise<void> {
    const isOwn = (runId: string) => this.#active.get(runId) !== undefined;
    for (const job of await recoverRuns(this.#parts, isOwn)) this.#start(job);
    for (const chatId of await this.#parts.queue.chats()) await this.#sending.goOn(chatId);
  }

  #start(job: Omit<AnswerJob, "live">): LiveRun {
    const { record, continuation } = job;
    const live = this.#waiting.take(record.id) ??
      queuedRun(record, this.#parts.runs, continuation?.head);
    live.before = job.before;
    this.#active.start({ ...job, live });
    return live;
  }

  #open(found: FoundRun): LiveRun | Promise<LiveRun> {
    const here = this.#here(found.run.id);
    // What could not be stored is stored in the end, maybe with more than its clients were told.
    const isStored = here?.closed && found.state !== "running";
    if (here && !isStored) return here;
    const { runs } = this.#parts;
    return found.state === "running" ? this.#others.follow(found) : replayRun(found, runs);
  }

  /** The run where this process makes it, or keeps it waiting. */
  #here(runId: string): LiveRun | undefined {
    return this.#active.get(runId) ?? this.#waiting.get(runId);
  }
}
