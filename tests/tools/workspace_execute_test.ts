/** Commands: what they give, within what bounds, and that nothing of them goes on. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import type { Json } from "../../src/domain/json.ts";
import { endAll } from "../../src/tools/workspace/ending.ts";
import { MARK_VARIABLE, Marks } from "../../src/tools/workspace/kin.ts";
import { heldBytes } from "../kit/memory.ts";
import { processesWith, type TestWorkspace, until, withWorkspace } from "../kit/workspace.ts";

interface Result {
  exit_code: number | null;
  signal?: string;
  timed_out?: true;
  note?: string;
  output: string;
}

const LINUX = Deno.build.os === "linux";

Deno.test("a command gives its output in order and its exit code", async (t) => {
  const cases: Record<string, [command: string, result: Partial<Result>]> = {
    "both outputs": ["echo a; echo b >&2; echo c", { exit_code: 0, output: "a\nb\nc\n" }],
    "an exit code": ["exit 3", { exit_code: 3, output: "" }],
    "a signal": ["kill -9 $$", { exit_code: null, signal: "SIGKILL", output: "" }],
    "no input": ["cat; echo $?", { output: "0\n" }],
    "a script of its own": ["exec sh -c 'echo \"$1\"' x 'a b'", { output: "a b\n" }],
    "several lines": ["a=1\nif true; then\n  echo $a\nfi", { output: "1\n" }],
    "bytes that are no text": ["printf 'a\\0\\377b'", { output: "a\ufffd\ufffdb" }],
    "a pipe that ends early": ["yes | head -n 2", { exit_code: 0, output: "y\ny\n" }],
    "a mistake": ["(", { exit_code: 2 }],
    "the mask of new files": ["umask", { output: "0022\n" }],
    "its descriptors": [
      "for f in 0 1 2; do [ -e /proc/self/fd/$f ] && echo $f; done; [ -e /proc/$$/fd/3 ] || echo none",
      {
        output: "0\n1\n2\nnone\n",
      },
    ],
  };
  await withWorkspace(async ({ root, output }) => {
    for (const [name, [command, expected]] of Object.entries(cases)) {
      await t.step(name, async () => {
        const result = await output<Result>("execute", { command });
        assertEquals({ ...result, ...expected }, result);
      });
    }
    assertEquals((await output<Result>("execute", { command: "pwd" })).output, `${root}\n`);
  });
});

if (LINUX) {
  Deno.test("a command has limits", async () => {
    await withWorkspace(async ({ output }) => {
      const command = "ulimit -Hc; ulimit -Hf; [ $(ulimit -Hu) -lt 90000 ] && echo bounded\n" +
        "cat /proc/self/oom_score_adj; (cut -d' ' -f19 /proc/self/stat)";
      const result = await output<Result>("execute", { command });
      const own = Number(Deno.readTextFileSync("/proc/self/stat").split(" ")[18]);
      const nice = Math.min(19, own + 5);
      assertEquals(result.output, `0\n16777216\nbounded\n500\n${nice}\n`);
    });
  });
}

Deno.test("what cannot be started is told", async () => {
  await withWorkspace(async ({ error }) => {
    assertMatch(await error("execute", { command: "a\0b" }), /NUL/);
    assertMatch(await error("execute", { command: "é".repeat(100_000) }), /too long/);
    assertMatch(await error("execute", { command: "x", timeout_seconds: 601 }), /not valid/);
    assertMatch(await error("nothing", {}), /no such tool/);
    assertMatch(await error("constructor", {}), /no such tool/);
  });
});

Deno.test("a long output is cut in the middle, and its chat can read all of it", async () => {
  await withWorkspace(async ({ output, error, server }) => {
    const result = await output<Result>("execute", { command: "seq 1 100000" });
    assertMatch(result.output, /^1\n2\n/);
    assertMatch(result.output, /\n99999\n100000\n$/);
    assert(result.output.length < 34_000);
    const [, path] = /read "(output:[^"]+)" has all of it/.exec(result.output)!;
    const page = await output("read", { path: path!, offset: 50_000, limit: 2 });
    assertMatch(page, /^50000\n50001\n\n\[/);
    assertMatch(await error("read", { path: path! }, { chatId: "another" }), /no such output/);
    await server.leave("chat");
    assertMatch(await error("read", { path: path! }), /no such output/);
  });
});

Deno.test("an output of two halves and one of a character more", async () => {
  await withWorkspace(async ({ output }) => {
    const command = (bytes: number) => `head -c ${bytes} /dev/zero | tr '\\0' x`;
    const whole = await output<Result>("execute", { command: command(32_768) });
    assertEquals(whole.output, "x".repeat(32_768));
    const more = await output<Result>("execute", { command: command(32_769) });
    assertMatch(more.output, /x\n\[… 1 byte left out: read "output:.* has all of it …\]\nx/);
  });
});

Deno.test("a flood is kept up to 16 MiB, without memory for it", async () => {
  await withWorkspace(async ({ output }) => {
    const before = heldBytes();
    const result = await output<Result>("execute", { command: "yes", timeout_seconds: 1.5 });
    assertEquals([result.timed_out, result.signal], [true, "SIGTERM"]);
    assertMatch(result.output, /has the first 16,777,216 bytes of it/);
    assert(heldBytes() - before < 100e6);
  });
});

Deno.test("progress shows the last 4 KiB, at most 5 times a second", async () => {
  await withWorkspace(async ({ output }) => {
    const shown: Json[] = [];
    const begun = performance.now();
    const command = "for i in 1 2 3 4 5 6 7 8; do seq 1 2000; sleep 0.1; done";
    await output("execute", { command }, { progress: (json) => shown.push(json) });
    const seconds = (performance.now() - begun) / 1000;
    assert(shown.length >= 1 && shown.length <= 5 * seconds, `${shown.length} in ${seconds} s`);
    const [{ output: last }] = shown.slice(-1) as [{ output: string }];
    assertEquals(last.length, 4_096);
    assertMatch(last, /\n2000\n$/);
  });
});

/** Ways to go on when one should not. Each has MARK in its command line. */
const LEFTOVERS: Record<string, string> = {
  "in the background": "sleep MARK &",
  "ignoring SIGTERM": "(trap '' TERM INT HUP; sleep MARK; sleep MARK) &",
  "with nohup": "nohup sleep MARK >/dev/null 2>&1 &",
  "in a session of its own": "setsid sleep MARK >/dev/null 2>&1 &",
  "forked twice": "(setsid sh -c 'sleep MARK & sleep MARK &' >/dev/null 2>&1 &)",
  "without an environment": "env -i setsid sh -c 'sleep MARK & sleep MARK &' >/dev/null 2>&1",
  "with another environment": "env -i WORKSPACE_CALL=x A=b setsid sleep MARK >/dev/null 2>&1 &",
  "with a lower limit":
    "(ulimit -q 5; env -i setsid sh -c 'sleep MARK &' >/dev/null 2>&1); sleep 0.05",
  "with a limit that is lower by one":
    "(ulimit -q $(($(ulimit -Hq) - 1)); env -i setsid sh -c 'sleep MARK &' >/dev/null 2>&1); sleep 0.05",
  "with a lower limit and its environment":
    "(ulimit -q 5; setsid sh -c 'sleep MARK &' >/dev/null 2>&1); sleep 0.05",
  "in another folder": "(cd / && env -i setsid sleep MARK >/dev/null 2>&1 &)",
  "holding the output": "setsid sleep MARK &",
  "stopped": "(sh -c 'kill -STOP $$; sleep MARK' MARK &)",
  "starting others all the time":
    "setsid sh -c 'while :; do env -i setsid sh -c \"sleep 0.02; : MARK\"; done' MARK >/dev/null 2>&1 &",
};

/** A number of seconds that no other test sleeps. */
function marked(command: string): { command: string; mark: string } {
  const mark = `98765.${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  return { command: command.replaceAll("MARK", mark), mark };
}

if (LINUX) {
  Deno.test("what a command leaves behind ends with it", async (t) => {
    await withWorkspace(async ({ output }) => {
      for (const [name, leftover] of Object.entries(LEFTOVERS)) {
        await t.step(name, async () => {
          const { command, mark } = marked(`${leftover}\necho done`);
          const result = await output<Result>("execute", { command });
          assertMatch(result.output, /done\n$/);
          assertEquals(processesWith(mark), []);
        });
      }
    });
  });

  Deno.test("stop ends a command and all that it started, within a second", async () => {
    await withWorkspace(async ({ root, call }) => {
      await Promise.all(
        Object.entries(LEFTOVERS).map(async ([name, leftover], index) => {
          const ready = `${root}/ready${index}`;
          const { command, mark } = marked(
            `trap '' TERM INT HUP\n${leftover}\n: > ${ready}\nwhile :; do sleep MARK; done`,
          );
          const stop = new AbortController();
          const running = call("execute", { command }, { signal: stop.signal });
          await until(() => exists(ready) && processesWith(mark).length > 1, `${name} runs`);
          const stopped = performance.now();
          stop.abort();
          assertEquals(await running, { errorText: "The call was stopped" });
          // Twelve at once, on a machine that may be busy.
          const ms = performance.now() - stopped;
          assert(ms < 3_000, `${name}: ${ms} ms`);
          assertEquals(processesWith(mark), [], name);
        }),
      );
    });
  });

  Deno.test("without the C library, a variable and the session show what to end", async () => {
    const token = crypto.randomUUID();
    const { command, mark } = marked(
      "setsid sleep MARK & env -i sleep MARK & (setsid sh -c 'sleep MARK &' &) ; wait",
    );
    const child = new Deno.Command("bash", {
      args: ["-c", command],
      env: { [MARK_VARIABLE]: token },
      detached: true,
    }).spawn();
    const kinship = new Marks(undefined).mark(child.pid, token);
    await until(() => processesWith(`sleep ${mark}`).length >= 3, "all run");
    await endAll(kinship, systemClock);
    await child.status;
    assertEquals(processesWith(mark), []);
  });

  Deno.test("a command that starts too many processes is ended", async () => {
    await withWorkspace(async ({ output }) => {
      for (const start of ["sleep MARK", "setsid sleep MARK"]) {
        // Bounded, unlike what it stands for.
        const { command, mark } = marked(`for i in $(seq 1200); do ${start} & done; wait`);
        const result = await output<Result>("execute", { command, timeout_seconds: 60 });
        assertEquals([result.signal, result.note], [
          "SIGKILL",
          "It was ended because it started too many processes.",
        ]);
        assertEquals(processesWith(mark), []);
      }
    });
  });

  Deno.test("what has ended is let go of", async () => {
    await withWorkspace(async ({ output }) => {
      const before = deadChildren();
      await output("execute", {
        command: "for i in $(seq 20); do (setsid true &); done; sleep 0.1",
      });
      assertEquals(deadChildren().filter((pid) => !before.includes(pid)), []);
    });
  });

  Deno.test("what belongs to others goes on", async () => {
    await withWorkspace(async (one) => {
      await withWorkspace(async (other) => {
        const { command, mark } = marked("echo begun; sleep MARK");
        const ours = await one.output<{ id: string }>("execute", { command, background: true });
        const theirs = new Deno.Command("sleep", { args: [mark] }).spawn();
        for (const workspace of [one, other]) {
          await workspace.output("execute", { command: "(setsid sleep 98765 &); true" });
        }
        assertEquals(processesWith(`sleep ${mark}`).length >= 2, true);
        await one.server.leave("chat");
        assertEquals(processesWith(`sleep ${mark}`).length, 1);
        assertMatch(await one.error("process_output", { id: ours.id }), /no process/);
        theirs.kill();
        await theirs.status;
      });
    });
  });
}

Deno.test("a command that closes its output but goes on is waited for", async () => {
  await withWorkspace(async ({ output, read }) => {
    const command = "exec >/dev/null 2>&1; sleep 0.2; echo late > file";
    assertEquals((await output<Result>("execute", { command })).exit_code, 0);
    assertEquals(read("file"), "late\n");
  });
});

Deno.test("at its time limit a command is ended, and its output is there", async () => {
  await withWorkspace(async ({ output }) => {
    const command = "trap 'echo asked; exit 5' TERM; echo begun; while :; do sleep 0.01; done";
    const result = await output<Result>("execute", { command, timeout_seconds: 0.3 });
    assertEquals([result.timed_out, result.exit_code], [true, 5]);
    assertMatch(result.output, /^begun\n[^]*asked\n$/);
  });
});

Deno.test("a call that was stopped before it began starts nothing", async () => {
  await withWorkspace(async ({ root, call }) => {
    const signal = AbortSignal.abort();
    const result = await call("execute", { command: "touch made" }, { signal });
    assertEquals(result, { errorText: "The call was stopped" });
    assertEquals(exists(`${root}/made`), false);
  });
});

interface Look {
  state: string;
  output: string;
  exit_code?: number | null;
  signal?: string;
}

/** Looks until a background command has ended. */
async function toTheEnd({ output }: TestWorkspace, id: string): Promise<Look> {
  let all = "";
  for (;;) {
    const look = await output<Look>("process_output", { id });
    all += look.output;
    if (look.state === "ended") return { ...look, output: all };
  }
}

Deno.test("a background command is looked at until it ends", async () => {
  await withWorkspace(async (workspace) => {
    const { output, write } = workspace;
    const command = "echo one; until [ -e go ]; do sleep 0.01; done; echo two; exit 4";
    const { id } = await output<{ id: string }>("execute", { command, background: true });
    const look = await output<Look>("process_output", { id });
    assertEquals([look.state, look.output], ["running", "one\n"]);
    const list = await output<{ processes: Json[] }>("process_list", {});
    assertEquals(list.processes, [{ id, command, state: "running" }]);
    write("go", "");
    const end = await toTheEnd(workspace, id);
    assertEquals([end.output, end.exit_code], ["two\n", 4]);
    assertEquals((await output<Look>("process_output", { id })).output, "");
  });
});

Deno.test("signals of every kind reach a background command", async () => {
  await withWorkspace(async (workspace) => {
    const { output, error } = workspace;
    const command = 'for s in INT HUP USR1 USR2; do trap "echo $s" $s; done; echo ready; ' +
      "while :; do sleep 0.01; done";
    const { id } = await output<{ id: string }>("execute", { command, background: true });
    const next = async () => (await output<Look>("process_output", { id })).output;
    assertEquals(await next(), "ready\n");
    for (const signal of ["HUP", "USR1", "USR2"]) {
      await output("process_signal", { id, signal });
      // The shell also says that its child was ended.
      for (let text = ""; !text.endsWith(`${signal}\n`);) text += await next();
    }
    await output("process_signal", { id, signal: "KILL" });
    assertEquals((await toTheEnd(workspace, id)).signal, "SIGKILL");
    assertMatch(await error("process_signal", { id, signal: "TERM" }), /has ended/);
    assertMatch(await error("process_signal", { id, signal: "STOP" }), /not valid/);
  });
});

Deno.test("a background command belongs to its chat", async () => {
  await withWorkspace(async ({ output, error }) => {
    const command = "sleep 98765";
    const { id } = await output<{ id: string }>("execute", { command, background: true });
    const other = { chatId: "another" };
    assertMatch(await error("process_output", { id }, other), /no process of that id/);
    assertMatch(await error("process_signal", { id, signal: "KILL" }, other), /no process/);
    assertEquals(await output("process_list", {}, other), { processes: [] } as unknown as string);
  });
});

Deno.test("a chat runs at most 16 in the background", async () => {
  await withWorkspace(async ({ server, output, call }) => {
    const starts = Array.from(
      { length: 20 },
      () => call("execute", { command: "sleep 98765", background: true }),
    );
    const results = await Promise.all(starts);
    assertEquals(results.filter((result) => "output" in result).length, 16);
    const other = { chatId: "another" };
    await output("execute", { command: "sleep 98765", background: true }, other);
    await server.leave("chat");
    const { processes } = await output<{ processes: Json[] }>("process_list", {});
    assertEquals(processes, []);
  });
});

Deno.test("of a flood in the background the last 64 KiB are kept", async () => {
  await withWorkspace(async (workspace) => {
    const { output } = workspace;
    const command = "seq 1 100000; echo end; sleep 98765";
    const { id } = await output<{ id: string }>("execute", { command, background: true });
    let last = "";
    while (!last.endsWith("end\n")) last = (await output<Look>("process_output", { id })).output;
    assert(last.length <= 66_000);
  });
});

Deno.test("a character that comes in halves is one", async () => {
  await withWorkspace(async (workspace) => {
    const { output, write } = workspace;
    const command = "printf 'a\\303'; until [ -e go ]; do sleep 0.01; done; printf '\\251b'";
    const { id } = await output<{ id: string }>("execute", { command, background: true });
    assertEquals((await output<Look>("process_output", { id })).output, "a");
    write("go", "");
    assertEquals((await toTheEnd(workspace, id)).output, "éb");
  });
});

Deno.test("a look that is stopped does not wait", async () => {
  await withWorkspace(async ({ output, call }) => {
    const command = "sleep 98765";
    const { id } = await output<{ id: string }>("execute", { command, background: true });
    const stop = new AbortController();
    const look = call("process_output", { id }, { signal: stop.signal });
    stop.abort();
    assertEquals(await look, { errorText: "The call was stopped" });
  });
});

Deno.test("close ends everything, and nothing more is started", async () => {
  await withWorkspace(async ({ server, output, call, error }) => {
    const { command, mark } = marked("sleep MARK");
    await output("execute", { command, background: true });
    const foreground = call("execute", { command });
    if (LINUX) await until(() => processesWith(mark).length >= 2, "both run");
    await server.close();
    await foreground;
    if (LINUX) assertEquals(processesWith(mark), []);
    assertMatch(await error("execute", { command: "true" }), /shutting down/);
  });
});

/** Children of this process that have ended, and that nobody has let go of. */
function deadChildren(): string[] {
  const children = Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`);
  return children.trim().split(" ").filter((pid) => {
    try {
      return /\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
    } catch {
      return false;
    }
  });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
