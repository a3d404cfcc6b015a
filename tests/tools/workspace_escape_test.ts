/** Whatever a path is, no tool gets out of the workspace, waits for ever, or says what is outside. */
import process from "node:process";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Problem } from "../../src/tools/workspace/problem.ts";
import { Root } from "../../src/tools/workspace/root.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { SECRET, type TestWorkspace, withWorkspace } from "../kit/workspace.ts";

interface Row {
  name: string;
  /** Makes what is attacked; runs in the workspace. */
  given?: (workspace: TestWorkspace) => void | Promise<unknown>;
  tool: string;
  input: JsonObject | ((workspace: TestWorkspace) => JsonObject);
  /** The words of the failure, or of the output. */
  says: RegExp;
}

const OUT = /leads? out of the workspace/;
const NOTHING = /no such file/;

function link(to: string, from = "link") {
  return ({ root }: TestWorkspace) => Deno.symlinkSync(to, `${root}/${from}`);
}

function run(command: string) {
  return async ({ root }: Pick<TestWorkspace, "root">) => {
    const { success } = await new Deno.Command("sh", { args: ["-c", command], cwd: root }).output();
    assert(success, command);
  };
}

function sparse(bytes: number) {
  return ({ root }: TestWorkspace) => {
    Deno.writeTextFileSync(`${root}/huge`, "first\nsecond\n");
    Deno.truncateSync(`${root}/huge`, bytes);
  };
}

const READS: Row[] = [
  { name: "..", tool: "read", input: { path: "../secret" }, says: OUT },
  { name: ".. in the middle", tool: "read", input: { path: "a/b/../../../secret" }, says: OUT },
  {
    name: ".. many times",
    tool: "read",
    input: { path: "../".repeat(50) + "etc/passwd" },
    says: OUT,
  },
  { name: ".. alone", tool: "list", input: { path: ".." }, says: OUT },
  { name: ".. and back", tool: "list", input: { path: "../ws/../" }, says: OUT },
  { name: "absolute", tool: "read", input: { path: "/etc/passwd" }, says: OUT },
  { name: "absolute, not there", tool: "read", input: { path: "/none" }, says: OUT },
  {
    name: "absolute, a name that begins like the root",
    given: ({ root }) => Deno.writeTextFileSync(`${root}-else`, SECRET),
    tool: "read",
    input: ({ root }) => ({ path: `${root}-else` }),
    says: OUT,
  },
  {
    name: "absolute with ..",
    tool: "read",
    input: ({ root }) => ({ path: `${root}/../secret` }),
    says: OUT,
  },
  { name: "double slash", tool: "read", input: { path: "//etc/passwd" }, says: OUT },
  { name: "a URL", tool: "read", input: { path: "file:///etc/passwd" }, says: NOTHING },
  { name: "a tilde", tool: "read", input: { path: "~/.profile" }, says: NOTHING },
  { name: "backslashes", tool: "read", input: { path: "..\\secret" }, says: NOTHING },
  { name: "escapes of a URL", tool: "read", input: { path: "%2e%2e/secret" }, says: NOTHING },
  { name: "NUL", tool: "read", input: { path: "a\0/../../secret" }, says: /NUL/ },
  { name: "NUL to write", tool: "write", input: { path: "a\0b", content: "" }, says: /NUL/ },
  { name: "empty", tool: "read", input: { path: "" }, says: /not valid/ },
  { name: "a long path", tool: "read", input: { path: "a/".repeat(2_000) }, says: /./ },
  { name: "a very long path", tool: "read", input: { path: "a".repeat(5_000) }, says: /not valid/ },
  {
    name: "a long name",
    tool: "write",
    input: { path: "a".repeat(256), content: "" },
    says: /too long/,
  },
  { name: "fullwidth dots", tool: "read", input: { path: "．．/secret" }, says: NOTHING },
  {
    name: "another case",
    given: link("../secret", "File"),
    tool: "read",
    input: { path: "file" },
    says: NOTHING,
  },
  { name: "half a character", tool: "read", input: { path: "\ud800" }, says: NOTHING },
  {
    name: "a link to a file",
    given: link("../secret"),
    tool: "read",
    input: { path: "link" },
    says: OUT,
  },
  {
    name: "an absolute link",
    given: link("/etc/passwd"),
    tool: "read",
    input: { path: "link" },
    says: OUT,
  },
  {
    name: "a link to a folder",
    given: link(".."),
    tool: "read",
    input: { path: "link/secret" },
    says: OUT,
  },
  {
    name: "a link to a folder, listed",
    given: link(".."),
    tool: "list",
    input: { path: "link" },
    says: OUT,
  },
  {
    name: "a link to the root",
    given: link("/"),
    tool: "list",
    input: { path: "link/" },
    says: OUT,
  },
  {
    name: "a chain of links",
    given: run("ln -s b a; ln -s c b; mkdir d; ln -s d/e c; ln -s ../../secret d/e"),
    tool: "read",
    input: { path: "a" },
    says: OUT,
  },
  {
    name: "a loop of links",
    given: run("ln -s b a; ln -s a b"),
    tool: "read",
    input: { path: "a" },
    says: /nowhere/,
  },
  {
    name: "a link to itself",
    given: link("link"),
    tool: "list",
    input: { path: "link" },
    says: /nowhere/,
  },
  {
    name: "a link, searched",
    given: link("../secret"),
    tool: "grep",
    input: { pattern: "s3cret" },
    says: /No line/,
  },
  {
    name: "a link to a folder, searched",
    given: link(".."),
    tool: "grep",
    input: { pattern: "s3cret" },
    says: /No line/,
  },
  {
    name: "a link, searched by name",
    given: link("../secret"),
    tool: "grep",
    input: { pattern: "s", path: "link" },
    says: OUT,
  },
  {
    name: "a link as the folder of glob",
    given: link(".."),
    tool: "glob",
    input: { pattern: "*", path: "link" },
    says: OUT,
  },
  { name: "a glob with ..", tool: "glob", input: { pattern: "../*" }, says: /No file/ },
  { name: "an absolute glob", tool: "glob", input: { pattern: "/etc/*" }, says: /No file/ },
  { name: "grep with ..", tool: "grep", input: { pattern: "s", path: "../secret" }, says: OUT },
  { name: "/proc", tool: "read", input: { path: "/proc/self/environ" }, says: OUT },
  {
    name: "/proc by a link",
    given: link("/proc/self/environ"),
    tool: "read",
    input: { path: "link" },
    says: OUT,
  },
  {
    name: "/proc/self/root by a link",
    given: link("/proc/self/root"),
    tool: "read",
    input: { path: "link/etc/passwd" },
    says: OUT,
  },
  {
    name: "/proc/self/fd by a link",
    given: link("/proc/self/fd"),
    tool: "list",
    input: { path: "link" },
    says: OUT,
  },
  { name: "/dev/zero", tool: "read", input: { path: "/dev/zero" }, says: OUT },
  {
    name: "/dev/zero by a link",
    given: link("/dev/zero"),
    tool: "read",
    input: { path: "link" },
    says: OUT,
  },
  {
    name: "/dev/stdin by a link",
    given: link("/dev/stdin"),
    tool: "read",
    input: { path: "link" },
    says: OUT,
  },
  {
    name: "a FIFO",
    given: run("mkfifo p"),
    tool: "read",
    input: { path: "p" },
    says: /a pipe or a socket/,
  },
  {
    name: "a link to a FIFO",
    given: run("mkfifo p; ln -s p l"),
    tool: "read",
    input: { path: "l" },
    says: /a pipe or a socket/,
  },
  {
    name: "a FIFO, searched",
    given: run("mkfifo p"),
    tool: "grep",
    input: { pattern: "x" },
    says: /No line/,
  },
  {
    name: "a FIFO, searched by name",
    given: run("mkfifo p"),
    tool: "grep",
    input: { pattern: "x", path: "p" },
    says: /a pipe or a socket/,
  },
  {
    name: "a FIFO, written to",
    given: run("mkfifo p"),
    tool: "write",
    input: { path: "p", content: "x" },
    says: /not a file/,
  },
  {
    name: "a FIFO, edited",
    given: run("mkfifo p"),
    tool: "edit",
    input: { path: "p", old_string: "x", new_string: "y" },
    says: /not a file/,
  },
  {
    name: "a socket",
    given: ({ root }) => Deno.listen({ transport: "unix", path: `${root}/s` }).close(),
    tool: "read",
    input: { path: "s" },
    says: /a pipe or a socket|no such file/,
  },
  {
    name: "a folder",
    given: run("mkdir d"),
    tool: "read",
    input: { path: "d" },
    says: /it is a folder/,
  },
  {
    name: "a file as a folder",
    given: run("touch f"),
    tool: "read",
    input: { path: "f/x" },
    says: /not a folder/,
  },
  {
    name: "a file with a slash",
    given: run("touch f"),
    tool: "read",
    input: { path: "f/" },
    says: /not a folder/,
  },
  {
    name: "a huge file",
    given: sparse(1e12),
    tool: "read",
    input: { path: "huge" },
    says: /binary file of 1,000,000,000,000 bytes/,
  },
  {
    name: "a huge file, edited",
    given: sparse(1e12),
    tool: "edit",
    input: { path: "huge", old_string: "first", new_string: "" },
    says: /up to 1 MiB/,
  },
  {
    name: "a huge file, searched",
    given: sparse(1e12),
    tool: "grep",
    input: { pattern: "first" },
    says: /No line/,
  },
  {
    name: "an output of nobody",
    tool: "read",
    input: { path: "output:../../secret" },
    says: /no such output/,
  },
];

const WRITES: Row[] = [
  { name: "..", tool: "write", input: { path: "../new", content: "x" }, says: OUT },
  { name: "absolute", tool: "write", input: { path: "/tmp/parley-new", content: "x" }, says: OUT },
  {
    name: "through a link to a file",
    given: link("../secret"),
    tool: "write",
    input: { path: "link", content: "x" },
    says: OUT,
  },
  {
    name: "through a link to a folder",
    given: link(".."),
    tool: "write",
    input: { path: "link/new", content: "x" },
    says: OUT,
  },
  {
    name: "new folders through a link",
    given: link(".."),
    tool: "write",
    input: { path: "link/new/new", content: "x" },
    says: OUT,
  },
  {
    name: "through a link to nothing",
    given: link("../new"),
    tool: "write",
    input: { path: "link", content: "x" },
    says: NOTHING,
  },
  {
    name: "through a link to nothing, as a folder",
    given: link("../new"),
    tool: "write",
    input: { path: "link/x", content: "x" },
    says: NOTHING,
  },
  {
    name: "an edit through a link",
    given: link("../secret"),
    tool: "edit",
    input: { path: "link", old_string: "s3cret", new_string: "x" },
    says: OUT,
  },
  {
    name: "the root itself",
    tool: "write",
    input: { path: ".", content: "x" },
    says: /it is a folder/,
  },
  {
    name: "a folder",
    given: run("mkdir d"),
    tool: "write",
    input: { path: "d", content: "x" },
    says: /it is a folder/,
  },
  {
    name: "a name with a slash",
    tool: "write",
    input: { path: "d/", content: "x" },
    says: /it is a folder/,
  },
  {
    name: "below a file",
    given: run("touch f"),
    tool: "write",
    input: { path: "f/x", content: "x" },
    says: /not a folder/,
  },
  {
    name: "a device by a link",
    given: link("/dev/null"),
    tool: "write",
    input: { path: "link", content: "x" },
    says: OUT,
  },
  {
    name: "a loop of links",
    given: link("link"),
    tool: "write",
    input: { path: "link", content: "x" },
    says: /nowhere/,
  },
  {
    name: "too much",
    tool: "write",
    input: { path: "big", content: "é".repeat(600_000) },
    says: /1,200,000 bytes/,
  },
];

for (const [what, rows] of Object.entries({ READS, WRITES })) {
  Deno.test(`${what.toLowerCase()} stay in the workspace`, async (t) => {
    for (const { name, given, tool, input, says } of rows) {
      await t.step(`${tool}: ${name}`, async () => {
        await withWorkspace(async (workspace) => {
          const { outside, root } = workspace;
          await given?.(workspace);
          const before = contents(outside);
          const given2 = typeof input === "function" ? input(workspace) : input;
          const result = await workspace.call(tool, given2);
          const text = "errorText" in result ? result.errorText : String(result.output);
          assertMatch(text, says);
          assert(!text.includes(SECRET), text);
          assert(!text.replaceAll(`${root}/`, "").includes(outside), text);
          assert(!/(^|[\s"'(])\/(etc|proc|dev|tmp|root)\b/.test(text), text);
          assertEquals(contents(outside), before);
        });
      });
    }
  });
}

Deno.test("a link that changes all the time never leads out", async (t) => {
  const cases: [tool: string, input: JsonObject][] = [
    ["read", { path: "turn/file" }],
    ["grep", { pattern: "s3cret|fine", path: "turn/file" }],
    ["list", { path: "turn" }],
    ["write", { path: "turn/made", content: "x" }],
    ["edit", { path: "turn/edited", old_string: "s3cret", new_string: "s3cret " }],
  ];
  for (const [tool, input] of cases) {
    await t.step(tool, async () => {
      await withWorkspace(async ({ outside, root, write, call }) => {
        for (const folder of [`${outside}/other`, `${root}/inside`]) {
          Deno.mkdirSync(folder);
          Deno.writeTextFileSync(`${folder}/edited`, "s3cret");
        }
        Deno.writeTextFileSync(`${outside}/other/file`, SECRET);
        write("inside/file", "fine");
        const swap = turning("../other", "inside");
        Deno.symlinkSync("inside", `${root}/turn`);
        const swapping = loop(swap, root);
        try {
          let [inside, refused] = [0, 0];
          for (let times = 0; (inside < 3 || refused < 3) && times < 100_000; times++) {
            const result = await call(tool, input);
            assert(!JSON.stringify(result).includes("s3cret-"), JSON.stringify(result));
            if ("output" in result) inside++;
            else if (OUT.test(result.errorText)) refused++;
          }
          assert(inside > 0 && refused > 0, `${inside} inside, ${refused} refused`);
        } finally {
          await swapping.end();
        }
        assertEquals([...Deno.readDirSync(`${outside}/other`)].length, 2);
        assertEquals(Deno.readTextFileSync(`${outside}/other/edited`), "s3cret");
      });
    });
  }
});

Deno.test("a file that becomes a FIFO all the time stops nobody", async () => {
  await withWorkspace(async ({ root, call }) => {
    await run("mkfifo p; echo fine > f; ln -s f turn")({ root });
    const swap = turning("p", "f");
    const swapping = loop(swap, root);
    try {
      let [read, refused] = [0, 0];
      for (let times = 0; (read < 3 || refused < 3) && times < 100_000; times++) {
        const result = await call("read", { path: "turn" });
        if ("output" in result) read++;
        else if (/a pipe/.test(result.errorText)) refused++;
      }
      assert(read > 0 && refused > 0, `${read} read, ${refused} refused`);
    } finally {
      await swapping.end();
    }
  });
});

Deno.test("a link to what is inside is followed, and kept when its file is written", async () => {
  await withWorkspace(async ({ root, output, write, read }) => {
    Deno.mkdirSync(`${root}/d`);
    write("d/file", "one\n");
    Deno.symlinkSync("d/file", `${root}/link`);
    assertEquals(await output("read", { path: "link" }), "one\n");
    assertEquals(await output("read", { path: `${root}/d/../link` }), "one\n");
    await output("write", { path: "link", content: "two\n" });
    assertEquals([read("d/file"), Deno.readLinkSync(`${root}/link`)], ["two\n", "d/file"]);
  });
});

Deno.test("a root that becomes a link is no root any more", async () => {
  await withWorkspace(async ({ outside, root, error }) => {
    Deno.renameSync(root, `${root}-moved`);
    Deno.symlinkSync(outside, root);
    assertMatch(await error("read", { path: "secret" }), OUT);
    Deno.removeSync(root);
    assertMatch(await error("read", { path: "secret" }), NOTHING);
    assertMatch(await error("execute", { command: "true" }), /not there any more/);
  });
});

Deno.test("a search ends as soon as it is stopped", async () => {
  await withWorkspace(async ({ call, write }) => {
    write("long", "some words in a line\n".repeat(500_000));
    const stop = new AbortController();
    const searching = call("grep", { pattern: "(a|b|x)+y" }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 20);
    assertEquals(await searching, { errorText: "The call was stopped" });
  });
});

Deno.test("where descriptors have no paths, what leads out or is no file is refused too", async () => {
  await withWorkspace(async ({ root, write }) => {
    await run("mkdir d; mkfifo p; ln -s ../secret out; ln -s d/f in; ln -s .. up")({ root });
    write("d/f", "fine");
    const opened = new Root(root, false);
    const file = opened.open("in");
    assertEquals(await file.read(new Uint8Array(9), 0), 4);
    file.close();
    opened.folderAt("d").close();
    assertThrows(() => opened.open("out"), Problem, "it leads out of the workspace");
    assertThrows(() => opened.open("up/secret"), Problem, "it leads out of the workspace");
    assertThrows(() => opened.folderAt("up"), Problem, "it leads out of the workspace");
    assertThrows(() => opened.open("p"), Problem, "a pipe or a socket");
    assertThrows(() => opened.open("none"), Problem, "no such file");
    assertThrows(() => opened.open("d"), Problem, "it is a folder");
  });
});

/** Makes a link lead here and there, each time in one step. */
function turning(...targets: string[]): string {
  const steps = targets.map((target) => `ln -s ${target} next && mv -T next turn`);
  return `while :; do ${steps.join("; ")}; done`;
}

/** A command that runs until it is ended, with all of its group. */
function loop(command: string, cwd: string) {
  const args = ["-c", command];
  const child = new Deno.Command("bash", { args, cwd, detached: true, stdout: "piped" }).spawn();
  return {
    async end() {
      process.kill(-child.pid, "SIGKILL");
      // The output ends with the last of them.
      await child.output();
    },
  };
}

/** All files under a folder, with sizes and targets. */
function contents(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    const { size, mode } = Deno.lstatSync(path);
    return [
      `${path} ${entry.isDirectory ? "" : size} ${mode}`,
      ...entry.isDirectory ? contents(path) : [],
    ];
  }).sort();
}
