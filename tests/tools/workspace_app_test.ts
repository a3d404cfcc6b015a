/** The workspace in a whole Parley: a run that is stopped, and a chat that is deleted, leave no process. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../../src/domain/json.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { until } from "../kit/mcp/server.ts";

/** How soon after a stop was answered nothing may be left: P6, in milliseconds. */
const GONE = 200;

/** A Parley with a workspace, whose model calls `execute` with this, and then says what came of it. */
async function startWith(args: JsonObject) {
  const root = await Deno.makeTempDir();
  const scripted = await startScripted({
    env: { PARLEY_WORKSPACE: root, PARLEY_TOOL_POLICIES: "workspace__*=allow" },
    environment: Deno.env.toObject(),
    script: ({ body }) => {
      const last = (body as { messages: { role: string; content: string }[] }).messages.at(-1)!;
      return last.role === "tool" ? { steps: [{ text: last.content }, { finish: "stop" }] } : {
        steps: [{ toolCall: { id: "call_1", name: "workspace__execute", args } }],
      };
    },
  });
  return {
    root,
    scripted,
    async [Symbol.asyncDispose]() {
      await scripted[Symbol.asyncDispose]();
      await Deno.remove(root, { recursive: true });
    },
  };
}

/** The processes whose ids a command has written to the file `pids`. */
async function pidsIn(root: string, count: number): Promise<number[]> {
  const read = () =>
    Deno.readTextFileSync(`${root}/pids`).trim().split("\n").filter(Boolean).map(Number);
  await until(() => {
    try {
      return read().length === count;
    } catch {
      return false;
    }
  });
  return read();
}

function isThere(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

async function stop({ server }: Scripted, chat: string): Promise<void> {
  const response = await server.ask("POST", `/api/v2/chats/${chat}/stop`);
  assertEquals((await response.json()).stopped, true);
  await new Promise((resolve) => setTimeout(resolve, GONE));
}

Deno.test("a stop ends what a command started, orphans too", async () => {
  const command = `echo $$ >> pids
    setsid sh -c 'echo $$ >> pids; sleep 1000' & sh -c 'echo $$ >> pids; sleep 1000'`;
  await using started = await startWith({ command });
  const { scripted, root } = started;
  const chat = await scripted.chat();
  const response = await scripted.send(chat, "Run it");
  const pids = await pidsIn(root, 3);
  assert(pids.every(isThere));
  await stop(scripted, chat);
  assertEquals(pids.filter(isThere), []);
  await response.text();
  const [, answer] = await scripted.history(chat);
  assertMatch(JSON.stringify(answer!.parts), /ended before the tool did/);
});

Deno.test("what runs in the background ends with its chat", async () => {
  const command = "echo $$ >> pids; exec sleep 1000";
  await using started = await startWith({ command, background: true });
  const { scripted, root } = started;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Run it")).text();
  const pids = await pidsIn(root, 1);
  assert(pids.every(isThere));
  const deleted = await scripted.server.ask("DELETE", `/api/v2/chats/${chat}`);
  assertEquals(deleted.status, 204);
  assertEquals(pids.filter(isThere), []);
});
