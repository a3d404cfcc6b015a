/** The tools of several servers as one toolbox. */
import { assertEquals } from "@std/assert";
import { ServerToolbox } from "../../src/tools/toolbox.ts";
import type { ToolServer } from "../../src/tools/tool_server.ts";

function serverOf(name: string, tools: ToolServer["tools"]): ToolServer {
  return {
    name,
    status: { status: "ready" },
    tools,
    execute: (tool) => Promise.resolve({ output: `${tool} of ${name}` }),
    close: () => Promise.resolve(),
  };
}

Deno.test("a call waits for no server but its own", async () => {
  const own = { name: "act", schema: {}, readOnly: false, idempotent: false };
  let asked = 0;
  const slow = serverOf("slow", () => ++asked === 1 ? Promise.resolve([]) : new Promise(() => {}));
  const toolbox = new ServerToolbox(
    [serverOf("quick", () => Promise.resolve([own])), slow],
    () => undefined,
  );
  assertEquals((await toolbox.definitions()).map(({ name }) => name), ["quick__act"]);
  const ids = { id: "1", runId: "r", chatId: "c", ownerId: "o" };
  const call = { ...ids, tool: "quick__act", input: {}, answers: {} };
  const { signal } = new AbortController();
  assertEquals(await toolbox.execute(call, signal, () => {}), { output: "act of quick" });
  const gone = await toolbox.execute({ ...call, tool: "quick__gone" }, signal, () => {});
  assertEquals(gone, { errorText: "The tool quick__gone is not there any more." });
  assertEquals(asked, 1);
});
