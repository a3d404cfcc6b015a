import type { Json } from "../domain/json.ts";
import type {
  ServerStatus,
  ToolCall,
  ToolDefinition,
  ToolEffects,
  ToolResult,
} from "../domain/tool.ts";

/** A tool of one server, under its own name, without the prefix that models see. */
export interface OwnTool extends ToolDefinition, ToolEffects {}

/** A source of tools: an MCP server, the workspace, the demo. */
export interface ToolServer {
  /** The prefix of its tools' names. */
  readonly name: string;
  readonly status: ServerStatus;
  /**
   * Its tools in a stable order. Starts the server if that has to be done, and waits for it a bounded
   * time. Never rejects: a server that is not there has no tools.
   */
  tools(): Promise<readonly OwnTool[]>;
  /**
   * Runs a tool, by its own name. Resolves to a failure in words whatever goes wrong, and within bounds
   * of time and size. Once `signal` is aborted it resolves soon, and nothing that it started goes on.
   * `progress` takes what there is to show before the result, each time in place of the last.
   */
  execute(
    tool: string,
    call: ToolCall,
    signal: AbortSignal,
    progress: (output: Json) => void,
  ): Promise<ToolResult>;
  /** The sign-in that it may want of a person. */
  readonly signIn?: {
    /** Where somebody has to sign in; undefined if nobody has to. */
    readonly url: string | undefined;
    /** True for the `state` of the answer that it waits for. */
    awaits(state: string | null): boolean;
  } | undefined;
  /** Takes the answer of a sign-in. @throws {Error} in words if it is none. */
  finishSignIn?(answer: URLSearchParams): Promise<void>;
  /** Ends what calls of a chat left running: the chat is gone. */
  leave?(chatId: string): Promise<void>;
  /** Ends the server and all that it runs. */
  close(): Promise<void>;
}
