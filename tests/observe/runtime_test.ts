import { assertEquals, assertMatch } from "@std/assert";

const RUNTIME = new URL("../../src/observe/runtime.ts", import.meta.url).href;

/** Everything that a runtime or a package may want to write, and what comes after it. */
const PROGRAM = `
  import process from "node:process";
  import { captureRuntime } from "${RUNTIME}";
  captureRuntime({ log: (level, message, fields) => {
    Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify([level, message, fields]) + "\\n"));
  } });
  console.log("from a", "package"); console.warn(new Error("as a warning")); console.error("e");
  process.emitWarning("from Node");
  queueMicrotask(() => { throw new Error("in a microtask"); });
  setTimeout(() => { throw new Error("in a timer"); });
  Promise.reject(new Error("in a promise"));
  Promise.reject("x".repeat(100_000));
  setTimeout(() => Deno.exit(7), 50);
`;

Deno.test("whatever the runtime and packages say becomes lines of the log, and ends nothing", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", PROGRAM],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals({ code, stderr: text(stderr) }, { code: 7, stderr: "" });
  const lines = text(stdout).trimEnd().split("\n").map((line) => JSON.parse(line));
  const said = lines.map(([, , { reason, text }]) => String(reason ?? text).split("\n")[0]!);
  assertEquals(said.map((line) => line.slice(0, 30)).sort(), [
    "Error: as a warning",
    "Error: in a microtask",
    "Error: in a promise",
    "Error: in a timer",
    "Warning: from Node",
    "e",
    "from a package",
    "x".repeat(30),
  ]);
  assertMatch(lines.find(([level]) => level === "error")[1], /not caught/);
  for (const line of said) assertEquals(line.length <= 1_000, true);
});
