/** The workspace: a folder in which models read and change files and run commands. */
import { type Clock, systemClock } from "../../domain/clock.ts";
import type { Json } from "../../domain/json.ts";
import type { ToolCall, ToolResult } from "../../domain/tool.ts";
import type { ServerStatus } from "../../domain/tool.ts";
import type { OwnTool, ToolServer } from "../tool_server.ts";
import { Background } from "./background.ts";
import { editFile } from "./edit.ts";
import type { Signal } from "./ending.ts";
import { commandEnvironment } from "./environment.ts";
import { execute } from "./execute.ts";
import { inputOf, toolDefinitions, type ToolName } from "./inputs.ts";
import { Marks } from "./kin.ts";
import { type Libc, loadLibc } from "./libc.ts";
import { listFolder } from "./list.ts";
import { isOutputName, Outputs } from "./outputs.ts";
import { type PageRange, textPage } from "./page.ts";
import { asProblem, Problem } from "./problem.ts";
import { Root } from "./root.ts";
import { globFiles, grepFiles } from "./search.ts";
import { Shell } from "./shell.ts";
import { writeFile } from "./write.ts";

/** What the workspace needs. */
export interface WorkspaceOptions {
  /** Its folder, absolute and without symbolic links. */
  root: string;
  /** What commands have in their environment beside what every program needs. */
  env?: Readonly<Record<string, string>>;
  /** The server's own environment, of which commands get a few variables. */
  ownEnv?: Readonly<Record<string, string | undefined>>;
  clock?: Clock;
}

/** A call that is being carried out. */
interface Call {
  input: unknown;
  chatId: string;
  signal: AbortSignal;
  progress: (output: Json) => void;
}

type Tool = (call: Call) => Promise<Json>;

const LINES = 2_000;
const TIMEOUT_SECONDS = 120;

/** The tool server of a folder. */
export class Workspace implements ToolServer {
  readonly name = "workspace";
  readonly status: ServerStatus = { status: "ready" };
  readonly #root: Root;
  readonly #libc: Libc | undefined;
  readonly #shell: Shell;
  readonly #outputs = new Outputs();
  readonly #background: Background;
  readonly #clock: Clock;
  readonly #definitions = toolDefinitions();
  /** Changes to files take turns, so that of two edits at once none is lost. */
  #lastChange: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(
    { root, env = {}, ownEnv = Deno.env.toObject(), clock = systemClock }: WorkspaceOptions,
  ) {
    this.#root = new Root(root);
    this.#clock = clock;
    this.#libc = loadLibc();
    this.#shell = new Shell({
      folder: root,
      env: commandEnvironment(ownEnv, env),
      marks: new Marks(this.#libc),
      clock,
    });
    this.#background = new Background(this.#shell, clock);
  }

  tools(): Promise<readonly OwnTool[]> {
    return Promise.resolve(this.#definitions);
  }

  async execute(
    tool: string,
    { input, chatId }: ToolCall,
    signal: AbortSignal,
    progress: (output: Json) => void,
  ): Promise<ToolResult> {
    try {
      if (!Object.hasOwn(this.#tools, tool)) throw new Problem("There is no such tool");
      if (signal.aborted) throw new Problem("The call was stopped");
      const output = await this.#tools[tool as ToolName]({ input, chatId, signal, progress });
      return signal.aborted ? { errorText: "The call was stopped" } : { output };
    } catch (error) {
      return { errorText: signal.aborted ? "The call was stopped" : wordsOf(error) };
    }
  }

  async leave(chatId: string): Promise<void> {
    await this.#background.leave(chatId);
    this.#outputs.leave(chatId);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#background.close();
    await this.#shell.close();
    this.#outputs.close();
    this.#libc?.unload();
  }

  readonly #tools: Readonly<Record<ToolName, Tool>> = {
    read: async ({ input, chatId, signal }) => {
      const { path, offset = 1, limit = LINES } = inputOf("read", input);
      return await this.#read(path, chatId, { offset, limit }, signal);
    },
    list: async ({ input, signal }) => {
      const { path = "." } = inputOf("list", input);
      return await listFolder(this.#root, this.#root.within(path), signal);
    },
    glob: async ({ input, signal }) => {
      const { pattern, path = "." } = inputOf("glob", input);
      return await globFiles(this.#root, { pattern, path: this.#root.within(path) }, signal);
    },
    grep: async ({ input, signal }) => {
      const { pattern, path = ".", glob } = inputOf("grep", input);
      return await grepFiles(this.#root, { pattern, path: this.#root.within(path), glob }, signal);
    },
    write: async ({ input, signal }) => {
      const { path, content } = inputOf("write", input);
      const write = () => writeFile(this.#root, this.#root.within(path), content);
      return await this.#change(write, signal);
    },
    edit: async ({ input, signal }) => {
      const { path, old_string, new_string, replace_all = false } = inputOf("edit", input);
      const texts = { oldText: old_string, newText: new_string, everywhere: replace_all };
      const edit = () => editFile(this.#root, { path: this.#root.within(path), ...texts });
      return { ...await this.#change(edit, signal) };
    },
    execute: async ({ input, chatId, signal, progress }) => {
      const { command, timeout_seconds = TIMEOUT_SECONDS, background } = inputOf("execute", input);
      if (background) return await this.#background.start(command, chatId);
      const timeoutMs = 1000 * timeout_seconds;
      const parts = { shell: this.#shell, outputs: this.#outputs, clock: this.#clock };
      return await execute({ command, chatId, timeoutMs, signal, progress }, parts);
    },
    process_output: async ({ input, chatId, signal }) => {
      return await this.#background.output(inputOf("process_output", input).id, chatId, signal);
    },
    process_list: ({ chatId }) => Promise.resolve(this.#background.list(chatId)),
    process_signal: ({ input, chatId }) => {
      const { id, signal } = inputOf("process_signal", input);
      return Promise.resolve(this.#background.signal(id, chatId, `SIG${signal}` as Signal));
    },
  };

  async #read(
    path: string,
    chatId: string,
    range: PageRange,
    signal: AbortSignal,
  ): Promise<string> {
    if (isOutputName(path)) {
      const output = this.#outputs.find(chatId, path);
      if (!output) throw new Problem("There is no such output, or not any more");
      return await textPage(output, range, signal);
    }
    const file = this.#root.open(this.#root.within(path));
    try {
      return await textPage(file, range, signal);
    } finally {
      file.close();
    }
  }

  #change<T>(change: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const changed = this.#lastChange.then(() => {
      signal.throwIfAborted();
      return change();
    });
    this.#lastChange = changed.catch(() => {});
    return changed;
  }
}

/** What the model is told of a failure: never an error's own words, which may have paths of the system. */
function wordsOf(error: unknown): string {
  const problem = asProblem(error, "The call");
  return problem instanceof Problem ? problem.message : "The tool failed";
}
