import type { JournaledCall } from "../domain/approval.ts";
import { assemble, Assembly } from "../domain/assembly.ts";
import { NOT_NEEDED, settlesBefore } from "../domain/clock.ts";
import { AppError, RunError, type RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import { messageText, type Part } from "../domain/message.ts";
import type { RunEnding, RunRecord, StoredMessage } from "../domain/records.ts";
import { endOf, nextState, type RunState, transitionTo } from "../domain/run.ts";
import type { ServerTool } from "../domain/tool.ts";
import type { Emit, Step, StepOutcome } from "../models/step.ts";
import type { CatalogModel } from "../models/catalog.ts";
import { outputFailure } from "../models/output.ts";
import { Attempts } from "./attempts.ts";
import { CallIds } from "./call_ids.ts";
import type { Continuation } from "./continuation.ts";
import { attempt, endByError, endEvents, endingOf, type RunEnd, tooLate } from "./ending.ts";
import type { Parts } from "./parts.ts";
import type { RunJob } from "./run_job.ts";
import { isTakenOver, type LogWriter, type RunLog } from "./run_log.ts";
import type { RunStream } from "./run_stream.ts";
import { ToolLoop } from "./tool_loop.ts";
import type { Listener } from "./tool_result.ts";

type Needed =
  & ConstructorParameters<typeof Attempts>[1]
  & ConstructorParameters<typeof ToolLoop>[4]
  & Pick<Parts, "conversation" | "logger" | "systemPrompts" | "outputTokens" | "deadlineMs">;

/** The end of a run that waits for a person. */
const WAITS = { state: endOf("complete"), finishReason: "tool-calls", failure: null } as const;

/** How long a step may take to notice that its run was ended, in milliseconds. */
const STEP_GRACE = 1_000;

/**
 * One run, from its beginning to its stored ending. The ending is total: whatever throws becomes a
 * typed ending that is stored, and every subscriber's stream ends.
 */
export class Run {
  readonly record: RunRecord;
  readonly stream: RunStream;
  /** Resolves to the end of the run once that is stored, or left to the next start. Never rejects. */
  readonly ended: Promise<RunEnd>;
  readonly #job: RunJob;
  readonly #parts: Needed;
  readonly #abort = new AbortController();
  readonly #log: LogWriter;
  readonly #attempts: Attempts;
  readonly #assembly: Assembly;
  /** The answer that this run continues. */
  readonly #before: StoredMessage | undefined;
  /** The stored key of the answer. */
  readonly #key: string;
  readonly #loop: ToolLoop;
  #tools: readonly ServerTool[] = [];
  #state: RunState = "queued";

  /** Starts to make the run. */
  constructor(job: RunJob, stream: RunStream, log: RunLog, parts: Needed) {
    const { record, prompt, continuation } = job;
    this.#job = job;
    this.#parts = parts;
    this.record = record;
    this.stream = stream;
    this.#before = prompt.role === "assistant" ? prompt : undefined;
    stream.before = this.#before;
    this.#key = this.#before?.key ?? parts.ids.uuid();
    this.#loop = new ToolLoop(record, job.request, this.#key, this.#before?.parts ?? [], parts);
    this.#log = log.open(stream);
    this.#attempts = new Attempts(job, parts);
    this.#assembly = continuation?.assembly ?? new Assembly(this.#before?.parts);
    this.#move("start");
    this.ended = this.#make().catch((error) => this.#giveUp(error));
  }

  /** The calls that wait for a yes or no, once the run has ended. */
  get asked(): readonly JournaledCall[] {
    return this.#loop.asked;
  }

  /** Ends the run: as stopped by a `StopRequested`, as failed by any other reason. */
  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  async #make(): Promise<RunEnd> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#abort.signal, this.#log.broken]);
    this.#startDeadline(over.signal);
    let end: RunEnd;
    try {
      end = await settlesBefore(this.#answer(signal), signal, STEP_GRACE, this.#parts.clock);
    } catch (error) {
      if (!(error instanceof RunError) && !signal.aborted) this.#report("a run failed", error);
      end = this.#endBy(error);
    }
    over.abort(NOT_NEEDED);
    return await this.#finish(end);
  }

  /** Makes the answer, step by step, until the model is done or someone else has to do something. */
  async #answer(signal: AbortSignal): Promise<RunEnd> {
    const { record: { messageId, model }, continuation } = this.#job;
    const listener = this.#listener(signal);
    if (!continuation) this.#emit({ type: "start", messageId, model });
    this.#tools = await this.#loop.open();
    if (!await this.#loop.resume(signal, listener)) return this.#endAs(WAITS);
    if (!continuation) this.#emit({ type: "step-start", messageId });
    let outcome = await this.#step(continuation, signal);
    while (await this.#loop.afterStep(this.#lastStep(), signal, listener)) {
      this.#emit({ type: "step-finish", ...outcome });
      await this.#attempts.nextStep(signal);
      this.#emit({ type: "step-start", messageId });
      outcome = await this.#step(undefined, signal);
    }
    const failure = await this.#outputFailure(outcome);
    return failure ? this.#endBy(new RunError(failure)) : this.#endAs({
      ...WAITS,
      ...(this.asked.length === 0 && { finishReason: outcome.finishReason }),
    });
  }

  /** What a step says after the end of its run counts no more. */
  #listener(signal: AbortSignal): Listener {
    return {
      emit: (event) => {
        if (!signal.aborted && this.#state === "running") this.#emit(event);
      },
      fits: (event) => this.#attempts.takes(event, this.#assembly.length),
    };
  }

  /** One step: builds the prompt, asks the model, and emits what comes. */
  async #step(continuation: Continuation | undefined, signal: AbortSignal): Promise<StepOutcome> {
    const ids = new CallIds(this.#assembly.parts({ ended: false }));
    const emit: Emit = (event) => {
      if (signal.aborted || this.#state !== "running") return;
      const joined = continuation ? continuation.join(event) : event;
      if (!joined) return;
      const named = ids.name(joined);
      this.#attempts.count(named, this.#assembly.length);
      return this.#emit(named);
    };
    return await this.#attempts.ask((model) => this.#request(model, continuation), signal, emit);
  }

  async #request(model: CatalogModel, continuation: Continuation | undefined): Promise<Step> {
    const { record, request } = this.#job;
    const prompt = this.#prompt();
    const { conversation, systemPrompts, outputTokens } = this.#parts;
    const system = await systemPrompts.of(record.chatId);
    const target = { type: model.type, model: model.id, system };
    const said = continuation ? [] : this.#said();
    const tools = [...request.tools, ...this.#tools];
    const { messages, characters, files } = await conversation.prompt(record, prompt, said, target);
    if (continuation) {
      messages.push({ role: "assistant", content: [{ type: "text", text: continuation.text }] });
    }
    return {
      model,
      prompt: messages,
      files,
      isAboutFiles: prompt.parts.some(({ type }) => type === "file"),
      promptCharacters: characters,
      thinking: request.thinking,
      ...(outputTokens !== undefined && { maxOutputTokens: outputTokens }),
      ...(tools.length > 0 && { tools }),
      ...(request.output && { output: request.output }),
    };
  }

  #emit(event: RunEvent): Promise<void> | void {
    this.#assembly.apply(event);
    return this.#log.append(event);
  }

  /** What is wrong with an answer that has to be JSON. One that waits for tools is not whole yet. */
  async #outputFailure({ finishReason }: StepOutcome): Promise<RunFailure | undefined> {
    const { output } = this.#job.request;
    if (!output || finishReason === "tool-calls" || this.asked.length > 0) return undefined;
    return await outputFailure(messageText({ parts: this.#lastStep() }), output);
  }

  /** The message to answer; an answer to continue has the results of its approved calls by now. */
  #prompt(): StoredMessage {
    if (!this.#before) return this.#job.prompt;
    const parts = this.#assembly.parts({ ended: false }).slice(0, this.#before.parts.length);
    return { ...this.#before, parts };
  }

  /** The parts that this run has made. */
  #said(): Part[] {
    return this.#assembly.parts({ ended: false }).slice(this.#before?.parts.length);
  }

  /** The parts of the last step. */
  #lastStep(): Part[] {
    const parts = this.#said();
    return parts.slice(parts.findLastIndex(({ type }) => type === "step-start") + 1);
  }

  #endBy(error: unknown): RunEnd {
    return this.#endAs(endByError(error));
  }

  #endAs(end: Pick<RunEnd, "state" | "finishReason" | "failure">): RunEnd {
    const { total, usage, model } = this.#attempts;
    return { ...end, usage: total, stepUsage: usage, model: model.id };
  }

  /** Stores the end and publishes it; tries until that can be done, or the log is closed. */
  async #finish(end: RunEnd): Promise<RunEnd> {
    for (const event of [...this.#closing(end), ...endEvents(end, this.#before, this.#assembly)]) {
      attempt(() => this.#assembly.apply(event));
      this.#log.append(event);
    }
    this.#move(transitionTo(end.state));
    const answer = attempt(() => this.#assembly.parts({ ended: true }));
    const failure = await this.#log.end(this.#endingOf(end, answer ?? []));
    if (this.#log.unsynced) this.#report("a run's ending is not synced", this.#log.unsynced);
    if (!failure) return end;
    this.#report("a run's log cannot be stored", this.#log.broken.reason);
    // History is what clients have seen, so it ends as their streams did, and asks for nothing.
    this.#loop.asked = [];
    const late: RunEnd = { ...end, ...endByError(new RunError(failure)) };
    try {
      await this.#finishLate(late);
    } catch (error) {
      this.#report("a run's ending is not stored", error);
    }
    return late;
  }

  /** The events that close what is open, and ask for a yes: stored with the ending, so that none is lost. */
  #closing({ state }: RunEnd): RunEvent[] {
    if (state !== "completed") this.#loop.asked = [];
    const calls = attempt(() => this.#loop.closing(this.#assembly.parts({ ended: false }))) ?? [];
    for (const event of calls) attempt(() => this.#assembly.apply(event));
    return [...calls, ...attempt(() => this.#assembly.closing()) ?? []];
  }

  /** For an error in the ending itself: at least nobody waits for this run any longer. */
  #giveUp(error: unknown): RunEnd {
    this.#log.break(error);
    this.#report("a run's ending failed", error);
    return this.#endBy(error);
  }

  async #finishLate(end: RunEnd): Promise<void> {
    const { attempts } = this.#parts;
    // The run is another process's, but its last request was this one's.
    if (!isTakenOver(end.failure!)) {
      await this.#log.endLate((events) => {
        const seen = attempt(() => assemble(events, { ended: true, before: this.#before?.parts }));
        return this.#endingOf(end, seen ?? []);
      });
    }
    const closed = this.#attempts.end(end.state, end.failure);
    await attempts.close(this.#attempts.current.id, closed);
  }

  #endingOf(end: RunEnd, parts: Part[]): RunEnding {
    const closed = this.#attempts.end(end.state, end.failure);
    return endingOf({
      run: this.record,
      before: this.#before,
      end,
      parts,
      key: this.#key,
      endedAt: closed.endedAt,
      attempt: { id: this.#attempts.current.id, end: closed },
      ...(this.#loop.isUsed && { calls: { begun: "done" as const, asked: this.asked } }),
    });
  }

  #startDeadline(over: AbortSignal): void {
    const { clock, deadlineMs } = this.#parts;
    clock.sleep(deadlineMs, over).then(() => this.abort(tooLate(deadlineMs)), () => {});
  }

  #move(transition: Parameters<typeof nextState>[1]): void {
    const next = nextState(this.#state, transition);
    if (!next) throw new Error(`a run that is ${this.#state} cannot ${transition}`);
    this.#state = next;
  }

  #report(message: string, error: unknown): void {
    const cause = error instanceof RunError && error.cause !== undefined ? error.cause : error;
    const reason = cause instanceof AppError ? `${cause.message}. ${cause.detail}` : String(cause);
    const { id: run, chatId: chat } = this.record;
    this.#parts.logger.log("error", message, { run, chat, reason });
  }
}
