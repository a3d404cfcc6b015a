import { callHash, type JournaledCall, type PausedRequest } from "../domain/approval.ts";
import { ENDED_BEFORE_TOOL } from "../domain/assembly.ts";
import { RunError } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import { isJsonObject, type JsonObject } from "../domain/json.ts";
import { isToolPart, type Part, toolNameOf, type ToolPart } from "../domain/message.ts";
import type { RunRecord } from "../domain/records.ts";
import type { ServerTool } from "../domain/tool.ts";
import { argumentsProblem } from "../models/output.ts";
import { CallExecution, type Execution } from "./call_execution.ts";
import {
  deniedEvent,
  failed,
  isDenied,
  isOpenCall,
  isOwnCall,
  isResponded,
  nameOf,
} from "./call_parts.ts";
import { LoopLimits } from "./loop_limits.ts";
import type { Parts } from "./parts.ts";
import { whileHeld } from "./patience.ts";
import type { AnswerRequest } from "./run_job.ts";
import type { Listener } from "./tool_result.ts";

type Needed =
  & Pick<Parts, "toolbox" | "toolCalls" | "toolSteps" | "approvalMs" | "ids" | "clock">
  & ConstructorParameters<typeof CallExecution>[1];

/** How many names of tools a model is told that called one that does not exist. */
const TOLD = 50;

const UNATTENDED = "Denied: this call needs the approval of a person, and nobody watches this run.";

const DENIED = "The policies of this server do not allow this call.";

const NOT_BEGUN = "Not run: the run ended before.";

/** A call that has no result yet. */
interface OpenCall {
  part: ToolPart;
  tool: ServerTool;
  input: JsonObject;
}

/** The tools of this server in one run: what it may call, and what becomes of its calls. */
export class ToolLoop {
  /** The calls that wait for a yes or no, so that the run ends. */
  asked: JournaledCall[] = [];
  /** True once the journal has calls of the run, or will have. */
  isUsed: boolean;
  readonly #tools = new Map<string, ServerTool>();
  readonly #paused: PausedRequest;
  readonly #execution: CallExecution;
  #remembered: Map<string, boolean> | undefined;
  readonly #limits: LoopLimits;

  /** `key` is the stored key of the answer; `before` the parts of the answer that it continues. */
  constructor(
    private readonly run: RunRecord,
    private readonly request: AnswerRequest,
    private readonly key: string,
    private readonly before: readonly Part[],
    private readonly parts: Needed,
  ) {
    this.isUsed = before.some(isResponded);
    this.#limits = new LoopLimits(parts.toolSteps);
    this.#execution = new CallExecution(run.id, parts);
    const { thinking, tools, output, unattended } = request;
    const { model, protocol } = run;
    this.#paused = { model, protocol, thinking, tools, output, unattended };
  }

  /** Finds the tools. A client's own tool of the same name comes first. */
  async open(): Promise<readonly ServerTool[]> {
    const { toolbox } = this.parts;
    const own = new Set(this.request.tools.map(({ name }) => name));
    for (const tool of await toolbox.definitions({ id: this.run.ownerId })) {
      if (!own.has(tool.name)) this.#tools.set(tool.name, tool);
    }
    return [...this.#tools.values()];
  }

  /**
   * Runs the calls of the continued answer that were approved, and tells of those that were denied.
   * Resolves to whether the model is asked now: not if a tool asks a person something first.
   */
  async resume(signal: AbortSignal, listener: Listener): Promise<boolean> {
    const approved: Execution[] = [];
    const answers = await this.#answers(signal);
    for (const part of this.before) {
      if (!isResponded(part)) continue;
      if (isDenied(part)) {
        listener.emit(deniedEvent(part));
        continue;
      }
      // Its tool or the policies may have changed since it was asked for.
      const call = await this.#fitting(part);
      if (typeof call === "string") listener.emit(failed(part, call));
      else {
        const { id } = part.approval;
        const journaled = { ...this.#journaled(call), id, answers: answers.get(id) ?? {} };
        approved.push({ part, call: { ...journaled, state: "approved" } });
      }
    }
    await this.#execute(approved, signal, listener);
    return this.asked.length === 0;
  }

  /** By call, what was answered to its tool's questions. */
  async #answers(signal: AbortSignal): Promise<Map<string, JsonObject>> {
    if (!this.before.some(isResponded)) return new Map();
    const ofRun = () => this.parts.toolCalls.ofRun(this.run.id);
    const calls = await whileHeld(this.run.id, ofRun, this.parts, signal);
    return new Map(calls.map(({ id, answers }) => [id, answers]));
  }

  /**
   * Does what the calls of a step ask for. Resolves to whether the model has to be asked again: not if
   * the answer is whole, or its client has calls to run, or somebody has to say yes.
   * @throws {RunError} `tool_limit`, with all calls closed.
   */
  async afterStep(parts: Part[], signal: AbortSignal, listener: Listener): Promise<boolean> {
    this.#limits.countStep();
    const own = parts.filter(isOwnCall);
    if (this.#tools.size === 0 || own.length === 0) return false;
    const open = own.filter((part) => isOpenCall(part) && part.type === "dynamic-tool");
    const isClients = own.some((part) => isOpenCall(part) && part.type !== "dynamic-tool");
    if (open.length > 0 || !isClients) this.#checkLimits(open, listener);
    const runs: Execution[] = [];
    for (const part of open) {
      const call = await this.#checked(part);
      if (typeof call === "string") listener.emit(failed(part, call));
      else if (await this.#actionOf(call) === "allow") {
        runs.push({ part, call: this.#journaled(call) });
      } else this.asked.push({ ...this.#journaled(call), state: "asked" });
    }
    this.isUsed ||= this.asked.length > 0;
    await this.#execute(runs, signal, listener);
    return this.asked.length === 0 && !isClients;
  }

  /** The events that close the calls which nobody will run any more, and ask for a yes for the others. */
  closing(parts: readonly Part[]): RunEvent[] {
    const isAsked = ({ toolCallId }: ToolPart) =>
      this.asked.some((call) => call.toolCallId === toolCallId);
    const left = parts.filter(isToolPart).filter((part) =>
      !isAsked(part) &&
      // The run may have ended before it knew its tools.
      (isResponded(part) || (isOpenCall(part) && this.#tools.has(toolNameOf(part))))
    );
    return [
      ...left.map((part) =>
        isDenied(part)
          ? deniedEvent(part)
          : failed(part, this.#execution.begun.has(part.toolCallId) ? ENDED_BEFORE_TOOL : NOT_BEGUN)
      ),
      ...this.asked.map(({ id, toolCallId }): RunEvent => ({
        type: "tool-approval-request",
        toolCallId,
        approvalId: id,
      })),
    ];
  }

  /** Closes the calls, and ends the run, if the model has gone on for too long. */
  #checkLimits(open: readonly ToolPart[], listener: Listener): void {
    const reason = this.#limits.reached(open);
    if (reason === undefined) return;
    for (const part of open) listener.emit(failed(part, `Not run. ${reason}`));
    throw new RunError({ class: "tool_limit", message: reason, retryable: false });
  }

  /** The call, or why it cannot be run whoever says yes. */
  async #fitting(part: ToolPart): Promise<OpenCall | string> {
    const call = this.#openCall(part);
    if (typeof call === "string") return call;
    const problem = await argumentsProblem(call.input, call.tool.schema);
    if (problem !== undefined) return `The arguments do not fit the tool: ${problem}.`;
    return this.parts.toolbox.actionOf(call.tool, call.input) === "deny" ? DENIED : call;
  }

  /** The call, or why it cannot be run. */
  async #checked(part: ToolPart): Promise<OpenCall | string> {
    const call = await this.#fitting(part);
    if (typeof call === "string") return call;
    const action = await this.#actionOf(call);
    if (action === "deny") {
      return "Denied: a person said no to all calls of this tool in this chat.";
    }
    if (action === "ask" && this.request.unattended === "deny") {
      return UNATTENDED;
    }
    return call;
  }

  #openCall(part: ToolPart): OpenCall | string {
    const tool = this.#tools.get(toolNameOf(part));
    if (!tool) {
      const names = [...this.#tools.keys()].slice(0, TOLD).join(", ");
      return `There is no tool "${nameOf(part)}". The tools of this server: ${names}.`;
    }
    const { input } = part;
    return isJsonObject(input)
      ? { part, tool, input: input as JsonObject }
      : "The arguments do not fit the tool: expected an object.";
  }

  /** What the policies say, or whoever answered for all calls of the tool in this chat. */
  async #actionOf({ tool, input }: OpenCall) {
    const action = this.parts.toolbox.actionOf(tool, input);
    if (action !== "ask") return action;
    this.#remembered ??= await this.parts.toolCalls.remembered(this.run.chatId);
    const answer = this.#remembered.get(tool.name);
    return answer === undefined ? "ask" : answer ? "allow" : "deny";
  }

  /** Runs calls. Where a tool asks something, the run ends until a person has answered. */
  async #execute(calls: readonly Execution[], signal: AbortSignal, listener: Listener) {
    if (calls.length === 0) return;
    this.isUsed = true;
    const { ids, clock, approvalMs } = this.parts;
    for (const { part, call, question } of await this.#execution.run(calls, signal, listener)) {
      if (this.request.unattended === "deny") listener.emit(failed(part, UNATTENDED));
      else {
        const now = clock.now();
        const asked = { ...call, id: ids.uuid(), question, createdAt: now };
        this.asked.push({ ...asked, expiresAt: now + approvalMs, state: "asked" });
      }
    }
  }

  #journaled({ part: { toolCallId }, tool, input }: OpenCall): JournaledCall {
    const { run, key, parts: { ids, clock, approvalMs } } = this;
    const now = clock.now();
    return {
      id: ids.uuid(),
      runId: run.id,
      chatId: run.chatId,
      ownerId: run.ownerId,
      messageId: run.messageId,
      messageKey: key,
      toolCallId,
      tool: tool.name,
      input,
      hash: callHash(tool.name, input),
      state: "running",
      isRepeatable: tool.readOnly || tool.idempotent,
      isInDoubt: false,
      question: null,
      answers: {},
      createdAt: now,
      expiresAt: now + approvalMs,
      request: this.#paused,
    };
  }
}
