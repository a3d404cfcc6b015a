import type { ToolAction } from "../domain/approval.ts";
import { sha256 } from "../domain/hash.ts";
import type { Toolbox } from "../domain/tool_ports.ts";
import type { ServerTool } from "../domain/tool.ts";
import type { Policies } from "../domain/tool_policy.ts";
import type { OwnTool, ToolServer } from "./tool_server.ts";

/** The longest name that every provider takes. */
const LONGEST = 64;

/** A tool, and who has it. */
interface ListedTool {
  server: ToolServer;
  own: OwnTool;
  shown: ServerTool;
}

/** The tools of all servers, under the names that models see. */
export class ServerToolbox implements Toolbox {
  /** By shown name, as the newest list has them: a call of one server waits for no other. */
  #listed: ReadonlyMap<string, ListedTool> = new Map();

  constructor(
    private readonly servers: readonly ToolServer[],
    private readonly policies: Policies,
  ) {}

  async definitions(): Promise<readonly ServerTool[]> {
    if (this.servers.length === 0) return [];
    const listed = await this.#list();
    this.#listed = new Map(listed.map((tool) => [tool.shown.name, tool]));
    return listed.map(({ shown }) => shown);
  }

  actionOf(tool: ServerTool, input: Parameters<Policies>[1]): ToolAction {
    return this.policies(tool.name, input) ?? defaultAction(tool);
  }

  async execute(...[call, signal, progress]: Parameters<Toolbox["execute"]>) {
    const known = this.#listed.get(call.tool);
    if (!known) return { errorText: `The tool ${call.tool} is not there any more.` };
    try {
      return await known.server.execute(known.own.name, call, signal, progress);
    } catch (error) {
      signal.throwIfAborted();
      return { errorText: `The tool failed: ${error instanceof Error ? error.message : error}` };
    }
  }

  async leave(chatId: string): Promise<void> {
    await Promise.allSettled(this.servers.map((server) => server.leave?.(chatId)));
  }

  statuses() {
    return this.servers.map(({ name, status, signIn }) => ({
      name,
      ...status,
      ...(signIn?.url !== undefined && { signInUrl: signIn.url }),
    }));
  }

  async finishSignIn(answer: URLSearchParams): Promise<string | undefined> {
    const server = this.servers.find(({ signIn }) => signIn?.awaits(answer.get("state")));
    await server?.finishSignIn?.(answer);
    return server?.name;
  }

  /** Ends all servers. */
  async close(): Promise<void> {
    await Promise.allSettled(this.servers.map((server) => server.close()));
  }

  /** All tools, by server and then in its own order: the same as long as they are the same. */
  async #list(): Promise<ListedTool[]> {
    const lists = await Promise.all(this.servers.map(async (server) => ({
      server,
      tools: await server.tools(),
    })));
    const names = new Set<string>();
    return lists.flatMap(({ server, tools }) =>
      tools.map((own) => ({ server, own, shown: shownAs(own, server.name, names) }))
    );
  }
}

/** The tool as a model sees it, under a name that no other has. */
function shownAs(own: OwnTool, server: string, names: Set<string>): ServerTool {
  const wanted = `${server}__${own.name}`;
  let name = wanted.replaceAll(/[^a-zA-Z0-9_-]/g, "_");
  if (name.length > LONGEST || names.has(name)) {
    const hash = sha256(wanted).slice(0, 8);
    name = `${name.slice(0, LONGEST - hash.length - 1)}_${hash}`;
  }
  names.add(name);
  return { ...own, name, server };
}

/** What only reads is allowed; for anything else a person is asked. */
function defaultAction({ readOnly }: ServerTool): ToolAction {
  return readOnly ? "allow" : "ask";
}
