/** No key of the server is within reach of what a model runs. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { SECRET, withWorkspace } from "../kit/workspace.ts";

const LINUX = Deno.build.os === "linux";

Deno.test("a command has the environment that was meant for it, and no more", async () => {
  const ownEnv = {
    ...Deno.env.toObject(),
    LANG: "C.UTF-8",
    LC_ALL: "C.UTF-8",
    OPENAI_API_KEY: SECRET,
    PARLEY_TOKENS: `alice=${SECRET}`,
    PATH_TO_KEY: SECRET,
    BASH_ENV: `/${SECRET}`,
    LD_PRELOAD: `/${SECRET}`,
  };
  await withWorkspace(async ({ output }) => {
    const { output: env } = await output<{ output: string }>("execute", { command: "env" });
    const names = env.trim().split("\n").map((line) => line.split("=")[0]!).sort();
    const allowed =
      /^(PATH|HOME|LANG|LC_ALL|TERM|USER|SHELL|TMPDIR|WORKSPACE_CALL|GIVEN|PWD|SHLVL|_)$/;
    assertEquals(names.filter((name) => !allowed.test(name)), []);
    assertMatch(env, /^GIVEN=on purpose$/m);
    assert(!env.includes(SECRET));
  }, { ownEnv, env: { GIVEN: "on purpose" } });
});

/** Hunts for the key wherever a process of the same user could find it. */
const HUNT = `
for f in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f; done
cat /proc/$PPID/cmdline /proc/self/environ
ls -l /proc/$PPID/fd /proc/self/fd /proc/$PPID/cwd
cat /proc/$PPID/maps | head -3
dd if=/proc/$PPID/mem bs=1 count=1
`;

/**
 * A server that is not root's, with a key in its environment. It says what a child of its finds before
 * its memory is closed, and what a command finds afterwards.
 */
const SERVER = `
import { closeToOthers } from "${import.meta.resolve("../../src/tools/workspace/closing.ts")}";
import { Workspace } from "${import.meta.resolve("../../src/tools/workspace/workspace.ts")}";
const [root, hunt] = Deno.args;
const server = new Workspace({ root });
const call = (tool, input) => server.execute(
  tool,
  { id: "1", tool, input, runId: "r", chatId: "c", ownerId: "o" },
  new AbortController().signal,
  () => {},
);
await call("list", {});
await call("execute", { command: "true" });
await call("grep", { pattern: "x" });
const libc = Deno.dlopen("libc.so.6", {
  setgroups: { parameters: ["usize", "pointer"], result: "i32" },
  setgid: { parameters: ["u32"], result: "i32" },
  setuid: { parameters: ["u32"], result: "i32" },
  prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
});
if (Deno.uid() === 0) {
  libc.symbols.setgroups(0n, null);
  if (libc.symbols.setgid(65534) !== 0 || libc.symbols.setuid(65534) !== 0) throw new Error("setuid");
  // A change of user closes the memory too: this opens it again.
  libc.symbols.prctl(4, 1n, 0n, 0n, 0n);
}
const before = await call("execute", { command: hunt });
const isClosed = closeToOthers();
const after = await call("execute", { command: hunt });
// The runtime listens for the signal that opens its debugger half a second after its start.
const signal = "sleep 0.6; kill -USR1 $PPID; sleep 0.3; echo sent";
const debug = await call("execute", { command: signal });
const files = [
  await call("write", { path: "made/file", content: "one" }),
  await call("edit", { path: "made/file", old_string: "one", new_string: "two" }),
  await call("read", { path: "made/file" }),
  await call("grep", { pattern: "two" }),
  await call("list", { path: "made" }),
];
const long = await call("execute", { command: "seq 1 100000" });
const page = await call("read", { path: /output:[^"]+/.exec(long.output.output)[0], limit: 1 });
const mark = String(crypto.getRandomValues(new Uint32Array(1))[0]);
const orphans = "env -i setsid sh -c 'sleep 9." + mark + " & sleep 9." + mark + " &'";
const left = await call("execute", { command: orphans });
const search = "grep -ls '9[.]" + mark + "' /proc/[0-9]*/cmdline || true";
const found = await call("execute", { command: search });
console.log(JSON.stringify({ uid: Deno.uid(), before, isClosed, after, debug, files, page, left, found }));
await server.close();
`;

if (LINUX) {
  Deno.test("the key is not in any environment, file or memory that a command can read, or debug", async () => {
    await withWorkspace(async ({ root, outside }) => {
      for (const folder of [outside, root]) Deno.chmodSync(folder, 0o777);
      const script = `${outside}/server.ts`;
      Deno.writeTextFileSync(script, SERVER);
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", "--config", config, script, root, HUNT],
        env: { PLANTED_KEY: SECRET },
      }).output();
      const text = new TextDecoder();
      assert(stdout.length > 0, text.decode(stderr));
      const seen = JSON.parse(text.decode(stdout));
      assertMatch(seen.debug.output.output, /sent/);
      assert(!/debugger/i.test(text.decode(stderr)), text.decode(stderr));
      assert(seen.uid !== 0);
      const [before, after] = [seen.before.output.output, seen.after.output.output];
      // The hunt finds what can be found.
      assert(before.includes(`PLANTED_KEY=${SECRET}`), before);
      assertEquals(seen.isClosed, true);
      assert(!after.includes(SECRET), after);
      assertMatch(after, /\/environ: Permission denied/);
      assertMatch(after, /\/mem'?: Permission denied/);
      // What is closed to others is not closed to the server: its own tools work on.
      assertEquals(seen.files[2], { output: "two" });
      assertEquals(seen.files[3], { output: "made/file:1:two" });
      assertEquals(seen.files[4], { output: "file" });
      assertMatch(seen.page.output, /^1\n/);
      assertEquals([seen.left.output.exit_code, seen.found.output.output], [0, ""]);
    });
  });
}
