/** Programs that misbehave: each harms its own calls alone, and is told in words. */
import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { Json } from "../../src/domain/json.ts";
import type { ToolOutput } from "../../src/domain/tool.ts";
import { FakeClock } from "../kit/clock.ts";
import { badProgram, call, type Choices, program, until, withServer } from "../kit/mcp/server.ts";
import { heldBytes } from "../kit/memory.ts";
import { CallTime, ProgressPace } from "../../src/tools/mcp/call_limits.ts";
import type { McpServer } from "../../src/tools/mcp/mcp_server.ts";

/** Runs a test with the bad program; `start` is how it starts. */
function withBad(
  start: string,
  test: (server: McpServer) => Promise<void>,
  choices: Choices = {},
): Promise<void> {
  return withServer(badProgram(start), test, choices);
}

async function errorOf(server: McpServer, tool: string, input = {}): Promise<string> {
  const result = await call(server, tool, input);
  assert("errorText" in result, JSON.stringify(result).slice(0, 200));
  return result.errorText;
}

const namesOf = async (server: McpServer) => (await server.tools()).map(({ name }) => name);

/** True while a process is there, and no zombie. */
function lives(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

Deno.test("a server starts when it is first needed, and ends when it is closed", async () => {
  const notes = await Deno.makeTempFile();
  await withServer(badProgram("well", notes), async (server) => {
    assertEquals(server.status, { status: "idle" });
    assertEquals(await namesOf(server), ["echo"]);
    assertEquals(server.status, { status: "ready" });
    assertEquals(await call(server, "echo", { text: "hi" }), { output: "hi" });
  });
  const pid = Number(await Deno.readTextFile(notes));
  assertEquals(lives(pid), false);
  await Deno.remove(notes);
});

Deno.test("all that a program started ends with it, even if it does not want to", async () => {
  const clock = new FakeClock();
  const notes = await Deno.makeTempFile();
  const pids: number[] = [];
  const ended = withServer(badProgram("stubborn", notes), async (server) => {
    const { output } = await call(server, "child") as ToolOutput;
    pids.push(Number(output), Number(await Deno.readTextFile(notes)));
    assertEquals(pids.map(lives), [true, true]);
  }, { clock });
  // It has two seconds.
  await clock.sleeping(2_000);
  assertEquals(lives(pids[1]!), true);
  clock.advance(2_000);
  await ended;
  await until(() => !pids.some(lives));
  await Deno.remove(notes);
});

Deno.test("a program gets a few variables, and those that are configured", async () => {
  const environment = {
    PATH: Deno.env.get("PATH")!,
    HOME: Deno.env.get("HOME") ?? "/",
    LC_ALL: "C",
    PARLEY_TOKENS: "alice=s3cret-token",
    OPENAI_API_KEY: "s3cret-key",
    LD_PRELOAD: "",
  };
  await withServer(
    { ...badProgram("well"), env: { MINE: "yes", HOME: "/tmp" } },
    async (server) => {
      const { output } = await call(server, "env") as ToolOutput;
      const { PATH, HOME, LC_ALL, MINE, ...more } = JSON.parse(String(output));
      assertEquals({ PATH, HOME, LC_ALL, MINE }, {
        PATH: environment.PATH,
        HOME: "/tmp",
        LC_ALL: "C",
        MINE: "yes",
      });
      assertEquals(more, {});
    },
    { environment },
  );
});

Deno.test("a program that cannot be started is told", async (t) => {
  const cases: [string, Parameters<typeof withServer>[0], RegExp][] = [
    [
      "none",
      { command: "no-such-program", args: [], env: {} },
      /the program no-such-program was not found/,
    ],
    ["no folder", { ...badProgram(), cwd: "/no/folder" }, /there is no folder \/no\/folder/],
    ["no program", { command: "/etc/passwd", args: [], env: {} }, /\/etc\/passwd may not be run/],
    ["no server", program(["eval", "0"]), /ended with exit code 0/],
  ];
  for (const [name, target, expected] of cases) {
    await t.step(name, () =>
      withServer(target, async (server) => {
        assertEquals(await server.tools(), []);
        assertEquals(server.status.status, "failed");
        assertMatch(server.status.error!, /^The tool server "the server" /);
        assertMatch(server.status.error!, expected);
        assertMatch(await errorOf(server, "echo"), expected);
      }));
  }
});

Deno.test("what a program says before it dies is told, but no secret", async () => {
  await withBad("crash-at-start", async (server) => {
    assertEquals(await server.tools(), []);
    const { status, error } = server.status;
    assertEquals(status, "failed");
    assertMatch(error!, /ended with exit code 1; it said: [^]*Error: no \[secret\] for me\.$/);
    assertNotMatch(error!, /noise 0\n/);
    assert(error!.length < 5_000, String(error!.length));
  }, { secrets: ["s3cret-token"] });
});

Deno.test("a program that dies is started again, each time later", async () => {
  const clock = new FakeClock();
  const notes = await Deno.makeTempFile();
  const starts = () => Deno.readTextFileSync(notes).trim().split("\n").length;
  await withServer(badProgram("crash-at-start", notes), async (server) => {
    await server.tools();
    // Each start is two: it may have died of the question for its era.
    for (const [n, wait] of [1, 2, 4, 8, 16, 32, 60, 60].entries()) {
      await until(() => starts() === 2 * (n + 1) && server.status.status === "failed");
      await clock.sleeping(1000 * wait);
      clock.advance(1000 * wait);
    }
  }, { clock });
  await Deno.remove(notes);
});

Deno.test("a crash fails its call, the next waits in words, and a restart has the new list", async () => {
  const clock = new FakeClock();
  await withBad("well", async (server) => {
    await call(server, "change");
    await until(async () => (await namesOf(server)).length === 2);
    const error = await errorOf(server, "crash");
    assertMatch(error, /ended with exit code 3; it said: Panic: the token is \[secret\]\.$/);
    await clock.sleeping(1_000);
    assertEquals(server.status.status, "failed");
    assertEquals(await server.tools(), []);
    assertMatch(await errorOf(server, "echo"), /exit code 3.* It is started again soon\.$/s);
    clock.advance(1_000);
    await until(() => server.status.status === "ready");
    assertEquals(await namesOf(server), ["echo"]);
  }, { clock, secrets: ["s3cret-token"] });
});

Deno.test("a program that dies after a long good time is started again at once", async () => {
  const clock = new FakeClock();
  await withBad("well", async (server) => {
    await server.tools();
    clock.advance(60_000);
    assertMatch(await errorOf(server, "crash"), /ended with exit code 3/);
    assertEquals(await call(server, "echo", { text: "hi" }), { output: "hi" });
  }, { clock });
});

Deno.test("a mute program is waited for a while, and has no tools", async () => {
  const clock = new FakeClock();
  await withBad("mute", async (server) => {
    const tools = server.tools();
    await clock.sleeping(10_000);
    clock.advance(10_000);
    assertEquals(await tools, []);
    assertEquals(server.status, { status: "starting" });
    const called = errorOf(server, "echo");
    await clock.sleeping(10_000);
    clock.advance(10_000);
    assertMatch(await called, /is still starting/);
    clock.advance(40_000);
    await until(() => server.status.status === "failed");
    assertMatch(server.status.error!, /was not ready within 60 s/);
  }, { clock });
});

Deno.test("a program that dies when it is asked for its era is asked for none", async () => {
  await withBad("dies-if-asked", async (server) => {
    assertEquals(await namesOf(server), ["echo"]);
    assertEquals(server.status, { status: "ready" });
  });
});

Deno.test("the list has all pages, in order, and what is no tool is left out", async () => {
  await withBad("pages", async (server) => {
    assertEquals(await namesOf(server), ["echo", "p0", "p1", "p2", "p3", "p4"]);
  });
  await withBad("endless", async (server) => {
    assertEquals((await server.tools()).length, 100);
  });
  await withBad("odd", async (server) => {
    assertEquals(await server.tools(), [
      {
        name: "a first",
        description: "Does a first.",
        schema: { type: "object" },
        readOnly: false,
        idempotent: true,
      },
      { name: "no type", schema: { type: "object" }, readOnly: false, idempotent: false },
      {
        name: "z.last",
        description: "Does z.last.",
        schema: { type: "object" },
        readOnly: true,
        idempotent: false,
      },
    ]);
  });
});

Deno.test("a change of the list is followed", async () => {
  await withBad("well", async (server) => {
    assertEquals(await namesOf(server), ["echo"]);
    assertEquals(await call(server, "change"), { output: "changed" });
    assertEquals(await namesOf(server), ["echo", "other"]);
  });
});

Deno.test("a flood, a line without end and deep or wide JSON end the connection, in words", async (t) => {
  const cases: [string, RegExp][] = [
    ["flood", /sent more than 20000 messages within 10 s/],
    ["line", /sent a message of more than 24 MiB/],
    ["deep", /sent a message nested deeper than 128/],
    ["items", /sent a message of more than 100000 values/],
  ];
  for (const [tool, expected] of cases) {
    await t.step(tool, () =>
      withBad("well", async (server) => {
        await server.tools();
        const before = heldBytes();
        assertMatch(await errorOf(server, tool), expected);
        const more = Math.round((heldBytes() - before) / 1024 / 1024);
        assert(more < 150, `${more} MiB`);
        await until(() => server.status.status !== "ready");
      }));
  }
});

Deno.test("what a program sends wrongly fails its call, and no other", async () => {
  await withBad("well", async (server) => {
    assertMatch(
      await errorOf(server, "invalid"),
      /sent an answer that is not valid MCP \(to tools\/call\)/,
    );
    assertMatch(await errorOf(server, "rather_deep"), /nested deeper than 64/);
    assertEquals(
      await errorOf(server, "error"),
      'The tool server "the server" answered with an error: no luck with [secret] at all (-32000).',
    );
    assertMatch(
      await errorOf(server, "missing"),
      /answered with an error: Error \(HTTP 401\): session \(404\)/,
    );
    assertEquals(await errorOf(server, "fails"), "It did not work.");
    assertMatch(await errorOf(server, "nothing of the kind"), /Method not found \(-32601\)/);
    assertEquals(await call(server, "noise"), { output: "noisy" });
    assertEquals(await call(server, "twice"), { output: "one" });
    assertEquals(await call(server, "none"), { output: "" });
    assertEquals(await call(server, "echo", { text: "still there" }), { output: "still there" });
    assertEquals(server.status, { status: "ready" });
  }, { secrets: ["s3cret-token"] });
});

Deno.test("what a program asks for is refused, and so is a question that is none", async () => {
  await withBad("well", async (server) => {
    assertEquals(await call(server, "ask"), { output: "[-32602,-32601,-32601,-32601]" });
  });
});

Deno.test("a call that is stopped ends at once, and the program is told", async () => {
  await withBad("well", async (server) => {
    const stop = new AbortController();
    const begun = Promise.withResolvers<Json>();
    const hanging = call(server, "hang", {}, stop.signal, begun.resolve);
    await begun.promise;
    stop.abort("no more");
    assertMatch((await hanging as { errorText: string }).errorText, /cancelled/);
    const { output } = await call(server, "cancelled") as ToolOutput;
    assertEquals(JSON.parse(String(output)).length, 1);
    // One that is stopped before it begins does not begin.
    const early = await call(server, "crash", {}, stop.signal);
    assertMatch(
      (early as { errorText: string }).errorText,
      /was not called: the call was cancelled/,
    );
    assertEquals(server.status, { status: "ready" });
  });
});

Deno.test("a call has a time limit, and a late answer disturbs nobody", async () => {
  const clock = new FakeClock();
  await withBad("well", async (server) => {
    await server.tools();
    const hanging = errorOf(server, "hang");
    await clock.sleeping(3_000);
    clock.advance(3_000);
    assertMatch(await hanging, /did not answer within 3 s/);
    // The program answers as soon as it is told.
    const { output } = await call(server, "cancelled") as ToolOutput;
    assertEquals(JSON.parse(String(output)).length, 1);
    assertEquals(await call(server, "echo", { text: "on" }), { output: "on" });
  }, { clock, timeoutMs: 3_000 });
});

Deno.test("progress makes a call longer, up to ten minutes in all", async () => {
  const clock = new FakeClock();
  const time = new CallTime(60_000, clock);
  for (let seconds = 0; seconds < 600; seconds += 50) {
    assertEquals(time.signal.aborted, false, `${seconds} s`);
    clock.advance(50_000);
    time.extend();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals([time.signal.aborted, time.seconds], [true, 600]);
});

Deno.test("a flood of progress is shown now and then", async () => {
  const clock = new FakeClock();
  await withBad("well", async (server) => {
    const shown: Json[] = [];
    const show = (output: Json) => void shown.push(output);
    assert("output" in await call(server, "progress", { count: 5_000 }, undefined, show));
    assertEquals(shown, [{ progress: 1, total: 5_000, message: "on" }]);
  }, { clock });
});

Deno.test("progress is shown five times a second, the newest, and two hundred times at most", async () => {
  const clock = new FakeClock();
  const shown: Json[] = [];
  const pace = new ProgressPace((n) => shown.push(n), clock, new AbortController().signal);
  for (let n = 0; n < 50; n++) {
    pace.take(n);
    clock.advance(50);
    await new Promise((resolve) => setTimeout(resolve));
  }
  // One at once, then the newest every 200 ms.
  assertEquals(shown.slice(0, 3), [0, 3, 7]);
  for (let n = 0; n < 250; n++) {
    clock.advance(200);
    await new Promise((resolve) => setTimeout(resolve));
    pace.take(n);
  }
  assertEquals(shown.length, 200);
});

Deno.test("a large text is cut for the model, and whole as a file", async () => {
  await withBad("well", async (server) => {
    const { output, files } = await call(server, "big") as ToolOutput;
    assert(typeof output === "string");
    assertMatch(
      output.slice(-120),
      /é\n\n\[Cut: .* 2097152 bytes; all of it is in the file result\.txt\.\]$/,
    );
    assert(output.length < 525_000);
    assertEquals(files!.map(({ bytes, ...rest }) => [rest, bytes.length]), [
      [{ mediaType: "text/plain", filename: "result.txt" }, 2 * 1024 * 1024],
    ]);
    const huge = await call(server, "huge") as ToolOutput;
    assertMatch(String(huge.output).slice(-80), /the rest is lost\.\]$/);
    assertEquals(huge.files, undefined);
  });
});

Deno.test("pictures, sounds and files are files, and the rest stays JSON", async () => {
  await withBad("well", async (server) => {
    const { output, files } = await call(server, "mixed") as ToolOutput;
    assertEquals(output, {
      content: [
        { type: "text", text: "see" },
        { type: "file", mediaType: "image/png", filename: "image-1.png" },
        { type: "file", mediaType: "audio/mpeg", filename: "audio-2.mp3" },
        {
          type: "file",
          mediaType: "application/octet-stream",
          filename: "b_20c.bin",
          uri: "file:///a/b%20c.bin",
        },
        { type: "resource", resource: { uri: "file:///a.txt", text: "inside" } },
        { type: "resource_link", uri: "file:///b", name: "b" },
      ],
      structuredContent: { a: [1] },
    });
    assertEquals(files!.map(({ filename, bytes }) => [filename, new TextDecoder().decode(bytes)]), [
      ["image-1.png", "hello"],
      ["audio-2.mp3", "hello"],
      ["b_20c.bin", "hello"],
    ]);
    const pictures = await call(server, "pictures") as ToolOutput;
    assertEquals(pictures.files!.length, 20);
  });
});

Deno.test("a server that is closed while it starts is closed at once", async () => {
  for (const wait of [0, 50]) {
    await withBad("mute", async (server) => {
      const tools = server.tools();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      await server.close();
      assertEquals(await tools, []);
      assertEquals(server.status, { status: "idle" });
    });
  }
});

Deno.test("a server that is closed says so, and closes in the middle of a call", async () => {
  await withBad("well", async (server) => {
    const begun = Promise.withResolvers<Json>();
    const hanging = call(server, "hang", {}, undefined, begun.resolve);
    await begun.promise;
    await server.close();
    assertMatch((await hanging as { errorText: string }).errorText, /was closed/);
    assertMatch(await errorOf(server, "echo"), /was closed/);
    assertEquals(await server.tools(), []);
  });
});
