/** What tools may cost an answer: progress, files, many calls, and a failure beside others. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { UI } from "../kit/ui.ts";
import { approvalsOf, asking, uiHistory } from "./approvals_kit.ts";

Deno.test("progress takes nothing from what the answer may hold", async () => {
  const toolbox = testToolbox({
    build: {
      run(_call, _signal, progress) {
        for (let n = 0; n < 200; n++) progress({ output: `${n}`.padEnd(30_000, ".") });
        return { output: "built" };
      },
    },
  });
  await using scripted = await startScripted({ script: asking({ name: "test__build" }), toolbox });
  const chat = await scripted.chat();
  const text = await (await scripted.send(chat, "Go", {}, UI)).text();
  assert(text.length < 4 * 1024 * 1024, `${text.length} characters`);
  const { parts } = (await uiHistory(scripted, chat)).at(-1)!;
  assertEquals(parts.find(({ type }) => type === "dynamic-tool")!["output"], "built");
  assertEquals(parts.at(-1)!["text"], "built");
});

Deno.test("a file that an answer has no room for is left out, and its call stays what it was", async () => {
  const files = Array.from({ length: 1_100 }, () => ({
    mediaType: "image/png",
    bytes: new Uint8Array([1]),
  }));
  const toolbox = testToolbox({ draw: { run: () => ({ output: "drawn", files }) } });
  await using scripted = await startScripted({
    script: asking({ name: "test__draw" }),
    toolbox,
    env: { PARLEY_FILES_PER_CHAT: "2000" },
  });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const { parts } = (await uiHistory(scripted, chat)).at(-1)!;
  const call = parts.find(({ type }) => type === "dynamic-tool")!;
  assertEquals([call["state"], call["output"]], ["output-available", "drawn"]);
});

Deno.test("once a run has failed, it begins no more of its calls", async () => {
  let runs = 0;
  const toolbox = testToolbox({
    act: {
      async run({ input }) {
        runs++;
        if (input["n"] === 0) {
          return { output: "x", files: [{ mediaType: "a/b", bytes: new Uint8Array(1) }] };
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
        return { output: "acted" };
      },
    },
  });
  const calls = Array.from({ length: 40 }, (_, n) => ({ name: "test__act", args: { n } }));
  await using scripted = await startScripted({
    script: asking(...calls),
    toolbox,
    stores: (stores) => ({
      ...stores,
      files: { ...stores.files, add: () => Promise.reject(new Error("no disk")) },
    }),
  });
  const chat = await scripted.chat();
  const text = await (await scripted.send(chat, "Go")).text();
  assertStringIncludes(text, "\n3:");
  const before = runs;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assertEquals(runs, before);
});

Deno.test("many calls that ask do not store what they were asked with many times", async () => {
  const calls = Array.from({ length: 100 }, (_, n) => ({ name: "test__act", args: { n } }));
  const toolbox = testToolbox({ act: { run: () => ({ output: 1 }) } }, []);
  const dataDir = await Deno.makeTempDir();
  {
    await using scripted = await startScripted({ script: asking(...calls), toolbox, dataDir });
    const chat = await scripted.chat();
    const tools = [{
      name: "big",
      parameters: { type: "object", description: "x".repeat(500_000) },
    }];
    await (await scripted.send(chat, "Go", { tools })).text();
    assertEquals((await approvalsOf(scripted)).length, 100);
  }
  let size = 0;
  for await (const { name } of Deno.readDir(dataDir)) {
    size += (await Deno.stat(`${dataDir}/${name}`)).size;
  }
  assert(size < 20_000_000, `${size} bytes`);
  await Deno.remove(dataDir, { recursive: true });
});
