/** The interfaces of tools: their journal, and the toolbox that a run's loop calls. */
import type { GivenAnswer, JournaledCall, ToolAction } from "./approval.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Principal } from "./principal.ts";
import type { StoredMessage } from "./records.ts";
import type { ServerStatus, ServerTool, ToolCall, ToolResult } from "./tool.ts";

/** A call that waits for a yes or no, with its place in the list of them. */
export interface WaitingCall extends JournaledCall {
  place: number;
}

/** The journal of calls of tools that this server runs, and their approvals. */
export interface ToolCallStore {
  /**
   * Notes that these calls are about to run, of a run that is live here: new ones, and ones that were
   * approved. Resolves to the ids of those that may: an approved call runs once.
   */
  begin(calls: readonly JournaledCall[]): Promise<ReadonlySet<string>>;
  /** The calls of a run, in the order in which they came, without what they were asked with. */
  ofRun(runId: string): Promise<JournaledCall[]>;
  find(ownerId: string, id: string): Promise<JournaledCall | undefined>;
  /**
   * A page of the owner's calls that wait, the oldest first: of answers that their chats end in. It has at
   * most `limit` calls, and fewer if they are large. Without what they were asked with.
   */
  waiting(
    ownerId: string,
    now: number,
    page: { after?: number; limit: number; chatId?: string },
  ): Promise<{ calls: WaitingCall[]; hasMore: boolean }>;
  /** The tools of a chat that have one answer for all calls. */
  remembered(chatId: string): Promise<Map<string, boolean>>;
  /**
   * Answers a call while others of its message wait, and stores the message. False if it cannot, as when
   * one of the others does not wait any more.
   */
  answer(answer: GivenAnswer, message: StoredMessage): Promise<boolean>;
}

/** How a tool server is. */
export interface NamedStatus extends ServerStatus {
  name: string;
  /** Where somebody has to sign in. */
  signInUrl?: string;
}

/** The tools that this server runs: what a run's loop calls. */
export interface Toolbox {
  /** The tools of a user, in a stable order. Never rejects: a server that is not there has none. */
  definitions(principal: Pick<Principal, "id">): Promise<readonly ServerTool[]>;
  /** What the policies say of a call. */
  actionOf(tool: ServerTool, input: JsonObject): ToolAction;
  /**
   * Runs a call. Resolves to a failure in words whatever goes wrong. Once `signal` is aborted it resolves
   * soon, and nothing that it started goes on. `progress` takes what there is to show before the result.
   */
  execute(
    call: ToolCall,
    signal: AbortSignal,
    progress: (output: Json) => void,
  ): Promise<ToolResult>;
  /** Ends what calls of a chat left running: the chat is gone. */
  leave(chatId: string): Promise<void>;
  /** How the tool servers are. */
  statuses(): NamedStatus[];
  /**
   * Takes the answer of a sign-in at a tool server, as the query of the URL to which a browser comes back.
   * Resolves to the server's name; undefined if none waits for it.
   * @throws {Error} in words if the sign-in failed.
   */
  finishSignIn(answer: URLSearchParams): Promise<string | undefined>;
}
