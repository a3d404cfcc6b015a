import type { Chat } from "../domain/chat.ts";
import { AppError } from "../domain/errors.ts";
import type { BusyPolicy, InterruptPolicy } from "../domain/policies.ts";
import type { FoundRun, KeyedSend, QueuedSend, QueueStore } from "../domain/ports.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { CatalogModel, ModelCatalog } from "../models/catalog.ts";
import { type ActiveParts, ActiveRuns } from "./active.ts";
import { type Admission, type AdmissionParts, admit, answersSame, type Send } from "./admission.ts";
import type { AnswerJob } from "./answer.ts";
import { Leases } from "./leases.ts";
import type { LiveRun } from "./live_run.ts";
import type { Namer } from "./namer.ts";
import type { SentMessage } from "./plan.ts";
import { OthersRuns, type Stopped } from "./others.ts";
import { recoverRuns } from "./recovery.ts";
import { busy, otherMessage, shuttingDown, takenBack } from "./refusals.ts";
import { queuedRun, replayRun } from "./replay.ts";
import { missingModel, WaitingRuns } from "./waiting.ts";

/** What runs need. */
export interface RunsParts extends Omit<AdmissionParts, "leases">, ActiveParts {
  queue: QueueStore;
  catalog: ModelCatalog;
  namer: Namer;
  /** The id of this process. */
  owner: string;
  /** True where other processes may use the same database. */
  shared: boolean;
  onInterrupt: InterruptPolicy;
  /** Models to ask where one does not answer, by id. */
  fallbacks: Readonly<Record<string, string[]>>;
}

/** A message to be answered, as a request has it. */
export interface SendRequest {
  chat: Chat;
  message: SentMessage;
  model: string;
  protocol: string;
  thinking: boolean;
  /** Tools that the client runs. */
  tools: ToolDefinition[];
  /** The JSON that the answer must be. */
  output: OutputFormat | null;
  busy: BusyPolicy;
  keyed: KeyedSend | undefined;
}

/** How often a send that finds another run each time it looks is tried again. */
const SEND_TRIES = 10;

/** Owns the life of every run: it knows neither HTTP nor wire formats. */
export class Runs {
  readonly #parts: RunsParts & AdmissionParts;
  readonly #active: ActiveRuns;
  readonly #waiting: WaitingRuns;
  readonly #others: OthersRuns;
  #draining = false;

  constructor(parts: RunsParts) {
    const { runs, clock, owner, shared } = parts;
    const onLost = (ids: Set<string>) => this.#active.lose(ids);
    const onStop = (ids: string[]) => this.#active.heed(ids);
    const onSweep = () => this.recover();
    const leases = new Leases({ runs, clock, owner, shared, onLost, onStop, onSweep });
    this.#parts = { ...parts, leases };
    this.#active = new ActiveRuns(parts, (chatId) => this.#startNext(chatId));
    this.#waiting = new WaitingRuns(parts);
    this.#others = new OthersRuns(parts);
  }

  /** Ends or takes up what processes before this one left behind. */
  async recover(): Promise<void> {
    if (this.#draining) return;
    for (const job of await recoverRuns(this.#parts)) this.#start(job);
    for (const chatId of await this.#parts.queue.chats()) await this.#startNext(chatId);
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
  async send(request: SendRequest): Promise<LiveRun> {
    const model = await this.#parts.catalog.find(request.model);
    if (!model) throw new AppError("bad_request", "Model not found");
    for (let tries = 0; tries < SEND_TRIES; tries++) {
      const repeated = request.keyed && await this.#repeated(request.chat, request.keyed);
      if (repeated) return await this.#acknowledged(repeated);
      if (this.#draining) throw shuttingDown();
      const live = await this.#trySend(request, model);
      if (live) return live;
    }
    throw busy(undefined);
  }

  /** The run with that id, wherever it stands; undefined where the owner has none. */
  async find(ownerId: string, runId: string): Promise<LiveRun | undefined> {
    const here = this.#active.get(runId) ?? this.#waiting.get(runId);
    if (here) return here.identity.ownerId === ownerId ? here : undefined;
    // The queue first: a message that begins in between is a run by then.
    const queued = await this.#waiting.find(ownerId, runId);
    const found = await this.#parts.runs.find(ownerId, runId);
    if (found) return await this.#open(found);
    return queued && (this.#active.get(runId) ?? this.#waiting.join(queued.run));
  }

  /** The chat's live run; undefined while it is idle. */
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
    const here = await this.#active.stop(chat.id, runId);
    if (here !== undefined) return { runId: here, ended: true };
    return await this.#others.stop(chat, runId);
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
    this.#draining = true;
    this.#waiting.close();
    await this.#active.close(graceMs);
    // Until here the runs are this process's.
    this.#parts.leases.close();
    this.#others.close();
    await this.#parts.namer.close();
  }

  async #trySend(request: SendRequest, model: CatalogModel): Promise<LiveRun | undefined> {
    const { chat } = request;
    const send: Send = {
      chat,
      isFirst: chat.leafKey === null,
      message: request.message,
      model,
      fallbacks: await this.#fallbacksOf(model),
      protocol: request.protocol,
      thinking: request.thinking,
      tools: request.tools,
      output: request.output,
      keyed: request.keyed,
    };
    if (request.busy === "queue" && (await this.queued(chat)).length > 0) {
      // Whoever comes later must not overtake what waits.
      return await this.#joined(send) ?? await this.#enqueue(send);
    }
    const admission = await admit(send, this.#parts);
    if (admission.kind === "busy") return await this.#whileBusy(send, admission, request.busy);
    const live = this.#start(admission.job);
    // The provider is on its way already while the disk takes the message.
    await this.#parts.runs.durable();
    this.#parts.namer.name(chat, admission.plan.prompt, model);
    return live;
  }

  async #whileBusy(
    send: Send,
    { live }: Extract<Admission, { kind: "busy" }>,
    policy: BusyPolicy,
  ): Promise<LiveRun | undefined> {
    const { chat, keyed } = send;
    // It ended meanwhile, or the send's own key was what was known: look again.
    if (!live || (keyed && await this.#parts.runs.keyed(chat.id, keyed.key))) return undefined;
    const joined = await this.#joined(send);
    if (joined) return joined;
    if (policy === "queue") return await this.#enqueue(send);
    if (policy === "reject") throw busy(live.run.id);
    const stopped = await this.stop(chat, live.run.id);
    // What is gone by now has ended by itself.
    if (stopped?.ended === false) throw busy(live.run.id);
    return undefined;
  }

  /** The run that answers this very message already, or will. */
  async #joined({ chat, message }: Send): Promise<LiveRun | undefined> {
    const live = await this.#parts.runs.live(chat.ownerId, chat.id);
    if (live && await answersSame(live, message, this.#parts)) {
      return await this.#acknowledged(await this.#open(live));
    }
    const waiting = await this.#waiting.same(chat, message);
    return waiting && await this.find(chat.ownerId, waiting.run.id);
  }

  /** A repeat is told no sooner than the first that its message would survive a power cut. */
  async #acknowledged(live: LiveRun): Promise<LiveRun> {
    await this.#parts.runs.durable();
    return live;
  }

  async #enqueue(send: Send): Promise<LiveRun | undefined> {
    const live = await this.#waiting.add(send);
    // It may be free by now, and nobody else would notice.
    if (live) await this.#startNext(send.chat.id);
    return live;
  }

  /** Starts the message that waits longest, if the chat is free. */
  async #startNext(chatId: string): Promise<void> {
    const { queue, catalog } = this.#parts;
    if (this.#draining) return;
    const next = await queue.first(chatId);
    if (!next) return;
    const { run, request } = next;
    const model = await catalog.find(run.model) ?? missingModel(run.model);
    const send: Send = {
      chat: { id: run.chatId, ownerId: run.ownerId },
      ...request,
      isFirst: false,
      protocol: run.protocol,
      model,
      fallbacks: await this.#fallbacksOf(model),
      keyed: undefined,
      identity: run,
    };
    const admission = await admit(send, this.#parts).catch(async (error) => {
      if (!(error instanceof AppError) || error.code !== "not_found") throw error;
      // It came as its chat was deleted.
      await queue.remove(run.ownerId, chatId, run.id);
    });
    if (admission?.kind === "begun") this.#start(admission.job);
  }

  #start(job: Omit<AnswerJob, "live">): LiveRun {
    const { record, continuation } = job;
    const live = this.#waiting.take(record.id) ??
      queuedRun(record, this.#parts.runs, continuation?.head);
    live.before = job.before;
    this.#active.start({ ...job, live });
    return live;
  }

  async #repeated(chat: Chat, { key, hash }: KeyedSend): Promise<LiveRun | undefined> {
    const known = await this.#parts.runs.keyed(chat.id, key);
    if (!known) return undefined;
    if (known.hash !== hash) throw otherMessage();
    const live = await this.find(chat.ownerId, known.runId);
    if (live) return live;
    throw takenBack();
  }

  #open(found: FoundRun): LiveRun | Promise<LiveRun> {
    const { id } = found.run;
    const here = this.#active.get(id) ?? this.#waiting.get(id);
    if (here) return here;
    const { runs } = this.#parts;
    return found.state === "running" ? this.#others.follow(found) : replayRun(found, runs);
  }

  async #fallbacksOf(model: CatalogModel): Promise<CatalogModel[]> {
    const { catalog, fallbacks } = this.#parts;
    const found = await Promise.all((fallbacks[model.id] ?? []).map((id) => catalog.find(id)));
    return found.filter((model) => model !== undefined);
  }
}
