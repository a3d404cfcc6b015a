/** A workspace in a temporary folder, with something secret beside it. */
import { assert, assertEquals } from "@std/assert";
import type { Json, JsonObject } from "../../src/domain/json.ts";
import type { ToolResult } from "../../src/domain/tool.ts";
import { Workspace, type WorkspaceOptions } from "../../src/tools/workspace/workspace.ts";

/** What no result may have. */
export const SECRET = "s3cret-planted-key-5f1c";

/** What a call may have beside its arguments. */
export interface CallOptions {
  chatId?: string;
  signal?: AbortSignal;
  progress?: (output: Json) => void;
}

/** A workspace under test. */
export interface TestWorkspace {
  /** The folder around everything. */
  outside: string;
  /** The folder of the workspace. */
  root: string;
  server: Workspace;
  call(tool: string, input: JsonObject, options?: CallOptions): Promise<Answered>;
  /** The output of a call that succeeds. */
  output<T = string>(tool: string, input: JsonObject, options?: CallOptions): Promise<T>;
  /** The words of a call that fails. */
  error(tool: string, input: JsonObject, options?: CallOptions): Promise<string>;
  read(path: string): string;
  write(path: string, content: string | Uint8Array): void;
}

/** Runs a test with a workspace `ws` beside a file `secret`, and sees to it that nothing is left running. */
export async function withWorkspace(
  use: (workspace: TestWorkspace) => Promise<void>,
  options: Partial<WorkspaceOptions> = {},
): Promise<void> {
  const outside = await Deno.realPath(await Deno.makeTempDir());
  const root = `${outside}/ws`;
  await Deno.mkdir(root);
  await Deno.writeTextFile(`${outside}/secret`, SECRET);
  const server = new Workspace({ root, ...options });
  const call = (tool: string, input: JsonObject, options: CallOptions = {}) => {
    const { chatId = "chat", signal = new AbortController().signal, progress = () => {} } = options;
    const ids = { id: crypto.randomUUID(), runId: "run", chatId, ownerId: "owner" };
    return answered(server.execute(tool, { ...ids, tool, input, answers: {} }, signal, progress));
  };
  try {
    await use({
      outside,
      root,
      server,
      call,
      output: async <T>(...given: Parameters<typeof call>) => {
        const result = await call(...given);
        assert("output" in result, JSON.stringify(result));
        return result.output as T;
      },
      error: async (...given) => {
        const result = await call(...given);
        assert("errorText" in result, JSON.stringify(result));
        return result.errorText;
      },
      read: (path) => Deno.readTextFileSync(`${root}/${path}`),
      write: (path, content) =>
        typeof content === "string"
          ? Deno.writeTextFileSync(`${root}/${path}`, content)
          : Deno.writeFileSync(`${root}/${path}`, content),
    });
    assertEquals(Deno.readTextFileSync(`${outside}/secret`), SECRET);
  } finally {
    await server.close();
    await Deno.remove(outside, { recursive: true });
  }
}

/** The processes that have a text in their command line, those that ended left out. */
export function processesWith(text: string): string[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).flatMap(
    ({ name }) => {
      try {
        const line = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ");
        return line.includes(text) && Number(name) !== Deno.pid ? [`${name}: ${line}`] : [];
      } catch {
        return [];
      }
    },
  );
}

/** Resolves once a condition holds. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let times = 0; !holds(); times++) {
    assert(times < 1_000, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A result that is no question: the workspace asks none. */
async function answered(called: Promise<ToolResult>): Promise<Answered> {
  const result = await called;
  if ("question" in result) throw new Error(`the tool asks: ${result.question.message}`);
  return result;
}

type Answered = Exclude<ToolResult, { question: unknown }>;
