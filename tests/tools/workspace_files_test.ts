/** Reading, searching and changing files: within bounds, byte for byte. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { agentsFile } from "../../src/tools/workspace/agents_file.ts";
import { type TestWorkspace, withWorkspace } from "../kit/workspace.ts";

function lines(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join("");
}

Deno.test("a file is read by pages, each with a note on how to go on", async (t) => {
  const cases: Record<string, [content: string | Uint8Array, input: object, output: string]> = {
    "a short file": ["one\ntwo", {}, "one\ntwo"],
    "an empty file": ["", {}, "[The file is empty.]"],
    "exactly a page": [lines(1, 2_000), {}, lines(1, 2_000)],
    "a long file": [
      lines(1, 2_001),
      {},
      `${lines(1, 2_000)}\n[Lines 1 to 2000. More follows: go on with offset 2001.]`,
    ],
    "its last page": [
      lines(1, 2_001),
      { offset: 2_001 },
      "line 2001\n\n[Lines 2001 to 2001, the last.]",
    ],
    "a page in the middle": [
      lines(1, 50),
      { offset: 3, limit: 2 },
      "line 3\nline 4\n\n[Lines 3 to 4. More follows: go on with offset 5.]",
    ],
    "lines that fill 64 KiB first": [
      `${"x".repeat(40_000)}\n${"y".repeat(40_000)}\n`,
      {},
      `${"x".repeat(40_000)}\n\n[Lines 1 to 1. More follows: go on with offset 2.]`,
    ],
    "a line that no page holds": [
      `${"é".repeat(40_000)}\nnext\n`,
      {},
      `${
        "é".repeat(32_768)
      }\n[The first 64 KiB of line 1, which is longer. More follows: go on with offset 2.]`,
    ],
    "after such a line": [
      `${"é".repeat(40_000)}\nnext\n`,
      { offset: 2 },
      "next\n\n[Lines 2 to 2, the last.]",
    ],
    "a cut inside a character": [
      `x${"é".repeat(40_000)}`,
      {},
      `x${
        "é".repeat(32_767)
      }\n[The first 64 KiB of line 1, which is longer. More follows: go on with offset 2.]`,
    ],
    "CRLF": [
      "a\r\nb\r\n",
      { limit: 1 },
      "a\r\n\n[Lines 1 to 1. More follows: go on with offset 2.]",
    ],
    "no UTF-8": [new Uint8Array([0x66, 0xfc, 0x72]), {}, "f\ufffdr"],
  };
  for (const [name, [content, input, output]] of Object.entries(cases)) {
    await t.step(name, async () => {
      await withWorkspace(async (workspace) => {
        workspace.write("f", content);
        assertEquals(await workspace.output("read", { path: "f", ...input }), output);
      });
    });
  }
  await t.step("what cannot be shown is told", async () => {
    await withWorkspace(async ({ error, write }) => {
      write("f", "one\n");
      assertEquals(await error("read", { path: "f", offset: 9 }), "The file has only 1 lines");
      write("f", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 0, 1]));
      assertMatch(await error("read", { path: "f" }), /binary file of 6 bytes/);
      write("f", `${"x\n".repeat(9_000)}\0`);
      assertMatch(await error("read", { path: "f", offset: 9_000 }), /binary file/);
    });
  });
});

Deno.test("a line far into a large file is found", async () => {
  await withWorkspace(async ({ output, write }) => {
    write("f", "a line of some length for a large file\n".repeat(1_000_000));
    const page = await output("read", { path: "f", offset: 999_999, limit: 1 });
    assertMatch(page, /Lines 999999 to 999999\. More follows/);
  });
});

Deno.test("list shows what kind each entry is, in order", async () => {
  await withWorkspace(async ({ root, output, write }) => {
    assertEquals(await output("list", {}), "[The folder is empty.]");
    write("b", "");
    write(".hidden", "");
    write("new\nline", "");
    Deno.mkdirSync(`${root}/a`);
    Deno.symlinkSync("/etc", `${root}/link`);
    assertEquals(await output("list", {}), '"new\\nline"\n.hidden\na/\nb\nlink@');
    assertEquals(await output("list", { path: "a" }), "[The folder is empty.]");
  });
});

Deno.test("a folder of 12,000 entries is listed in part, without keeping the event loop", async () => {
  await withWorkspace(async ({ root, output }) => {
    for (let index = 0; index < 12_000; index++) Deno.writeTextFileSync(`${root}/f${index}`, "");
    const gap = longestGap();
    const listed = (await output("list", {})).split("\n");
    assertEquals(listed.length, 1_001);
    assertMatch(listed.at(-1)!, /^\[1000 of more than 10000 entries/);
    const found = (await output("glob", { pattern: "**" })).split("\n");
    assertEquals(found.length, 1_001);
    // Far less, but this machine may be busy.
    assert(gap.end() < 1_000, `${gap.end()} ms`);
  });
});

Deno.test("glob", async (t) => {
  const files = [
    "a.ts",
    "b.js",
    ".env",
    "src/c.ts",
    "src/d/e.tsx",
    "src/[x].ts",
    "x+y/(z).ts",
    "ä/ö.md",
  ];
  const cases: Record<string, string[]> = {
    "*.ts": ["a.ts"],
    "**/*.ts": ["a.ts", "src/[x].ts", "src/c.ts", "x+y/(z).ts"],
    "**/*.{ts,tsx}": ["a.ts", "src/[x].ts", "src/c.ts", "src/d/e.tsx", "x+y/(z).ts"],
    "src/*": ["src/[x].ts", "src/c.ts"],
    "src/**": ["src/[x].ts", "src/c.ts", "src/d/e.tsx"],
    "**/d/*": ["src/d/e.tsx"],
    "?.{j,t}s": ["a.ts", "b.js"],
    "[ab].*": ["a.ts", "b.js"],
    "[!a].*": ["b.js"],
    "src/\\[x\\].ts": ["src/[x].ts"],
    "x+y/(*).ts": ["x+y/(z).ts"],
    "./a.ts": ["a.ts"],
    ".*": [".env"],
    "?/?.md": ["ä/ö.md"],
    "{a.ts,src/**}": ["a.ts", "src/[x].ts", "src/c.ts", "src/d/e.tsx"],
    "none": ["[No file has such a path.]"],
  };
  await withWorkspace(async ({ root, output, error, write }) => {
    for (const file of files) {
      Deno.mkdirSync(`${root}/${file}/..`.replace(/[^/]*\/\.\.$/, ""), { recursive: true });
      write(file, "");
    }
    for (const [pattern, found] of Object.entries(cases)) {
      await t.step(pattern, async () => {
        assertEquals((await output("glob", { pattern })).split("\n").sort(), found.sort());
      });
    }
    assertEquals(await output("glob", { pattern: "*.tsx", path: "src/d" }), "src/d/e.tsx");
    assertMatch(await error("glob", { pattern: "{a" }), /glob pattern is not valid/);
    assertMatch(await error("glob", { pattern: "*", path: "a.ts" }), /not a folder/);
    assertMatch(await output("glob", { pattern: "*a".repeat(100) + "b" }), /No file/);
  });
});

Deno.test(".git and node_modules are searched if they are asked for", async () => {
  await withWorkspace(async ({ root, output, write }) => {
    for (const folder of [".git", "node_modules/x"]) {
      Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
      write(`${folder}/f`, "word");
    }
    assertMatch(await output("glob", { pattern: "**" }), /No file/);
    assertMatch(await output("grep", { pattern: "word" }), /No line/);
    assertEquals(await output("glob", { pattern: "node_modules/**" }), "node_modules/x/f");
    assertEquals(await output("grep", { pattern: "word", path: ".git" }), ".git/f:1:word");
  });
});

Deno.test("grep", async (t) => {
  await withWorkspace(async ({ root, output, error, write }) => {
    Deno.mkdirSync(`${root}/d`);
    write("a.txt", "one\nTwo\r\nthree one\n");
    write("d/b.md", "one");
    write("binary", "one\n\0");
    const cases: [input: { pattern: string; path?: string; glob?: string }, found: string][] = [
      [{ pattern: "one" }, "a.txt:1:one\na.txt:3:three one\nd/b.md:1:one"],
      [{ pattern: "^one$" }, "a.txt:1:one\nd/b.md:1:one"],
      [{ pattern: "(?i)two$" }, "a.txt:2:Two"],
      [{ pattern: "one", glob: "*.md" }, "d/b.md:1:one"],
      [{ pattern: "one", glob: "d/*" }, "d/b.md:1:one"],
      [{ pattern: "one", path: "d" }, "d/b.md:1:one"],
      [{ pattern: "t\\w+", path: "a.txt" }, "a.txt:3:three one"],
      [{ pattern: "none" }, "[No line matches.]"],
    ];
    for (const [input, found] of cases) {
      await t.step(JSON.stringify(input), async () => {
        assertEquals(await output("grep", input), found);
      });
    }
    assertMatch(await error("grep", { pattern: "(" }), /pattern is not valid/);
    assertMatch(await error("grep", { pattern: "a(?=b)" }), /without lookaround/);
    assertMatch(await error("grep", { pattern: "(a{100}){10}" }), /too complex/);
    assertMatch(await error("grep", { pattern: "a{1000}".repeat(140) }), /too complex/);
    assertMatch(await error("grep", { pattern: "a{0,900}b{900}" }), /too complex/);
    write("many", "match\n".repeat(600));
    const many = (await output("grep", { pattern: "match" })).split("\n");
    assertEquals([many.length, many.at(-1)], [
      501,
      "[There is more than these 500: narrow the search.]",
    ]);
    write("many", `${"x".repeat(100_000)}end\nx`);
    assertMatch(await output("grep", { pattern: "end", path: "many" }), /only the beginning/);
    assertMatch(await output("grep", { pattern: "^x+$", path: "many" }), /:2:x\n/);
  });
});

Deno.test("no pattern stops the event loop", async () => {
  await withWorkspace(async ({ output, write }) => {
    write("f", `${"a".repeat(30_000)}!\n`.repeat(20));
    const gap = longestGap();
    for (const pattern of ["(a+)+$", "(a|a)*b", "(a*)*c", "(.*)(.*)(.*)d", "(\\pL+\\s?){1,100}$"]) {
      await output("grep", { pattern });
    }
    // Far less, but this machine may be busy.
    assert(gap.end() < 1_000, `${gap.end()} ms`);
  });
});

Deno.test("write makes folders, and keeps the mode of a file", async () => {
  await withWorkspace(async ({ root, output, write, read, error }) => {
    const path = "a/b/c.txt";
    assertEquals(await output("write", { path, content: "é" }), "Created a/b/c.txt (2 bytes).");
    const modes = () => [path, "a"].map((name) => Deno.statSync(`${root}/${name}`).mode! & 0o777);
    assertEquals(modes(), [0o644, 0o755]);
    Deno.chmodSync(`${root}/${path}`, 0o755);
    assertEquals(await output("write", { path, content: "" }), "Overwrote a/b/c.txt (0 bytes).");
    assertEquals([read(path), modes()[0]], ["", 0o755]);
    Deno.linkSync(`${root}/${path}`, `${root}/hard`);
    await output("write", { path: "hard", content: "new" });
    assertEquals([read(path), read("hard")], ["", "new"]);
    Deno.chmodSync(`${root}/hard`, 0o444);
    assertMatch(await error("write", { path: "hard", content: "" }), /read-only/);
    write("f", "x");
    assertEquals([...Deno.readDirSync(root)].map(({ name }) => name).sort(), ["a", "f", "hard"]);
  });
});

interface EditCase {
  before: string | Uint8Array;
  edit: [old: string, new: string, everywhere?: true];
  after?: string;
  diff?: string;
  error?: RegExp;
}

Deno.test("edit replaces exactly what is there", async (t) => {
  const cases: Record<string, EditCase> = {
    "one place": {
      before: lines(1, 9),
      edit: ["line 5\n", "five\n"],
      after: lines(1, 4) + "five\n" + lines(6, 9),
      diff: "--- f\n+++ f\n@@ -2,7 +2,7 @@\n line 2\n line 3\n line 4\n-line 5\n+five\n line 6\n" +
        " line 7\n line 8",
    },
    "the first line": {
      before: "\na\n",
      edit: ["\na", "b"],
      after: "b\n",
      diff: "--- f\n+++ f\n@@ -1,2 +1,1 @@\n-\n-a\n+b",
    },
    "without a newline at the end": {
      before: "a\nb",
      edit: ["b", "c"],
      after: "a\nc",
      diff: "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n" +
        "\\ No newline at end of file",
    },
    "everything": { before: "a", edit: ["a", ""], after: "" },
    "everywhere": { before: "a b a\na", edit: ["a", "aa", true], after: "aa b aa\naa" },
    "everywhere, of one": { before: "a", edit: ["a", "b", true], after: "b" },
    "signs of a replacement": { before: "x", edit: ["x", "$& $1 $$"], after: "$& $1 $$" },
    "signs of a pattern": { before: "a.*b axxb", edit: ["a.*b", "y"], after: "y axxb" },
    "CRLF kept": {
      before: "a\r\nb\r\nc\r\n",
      edit: ["a\nb\n", "x\ny\n"],
      after: "x\r\ny\r\nc\r\n",
    },
    "CRLF in new lines": { before: "a\r\nb\r\n", edit: ["a", "a\nx"], after: "a\r\nx\r\nb\r\n" },
    "CRLF as it is": { before: "a\r\nb\r\n", edit: ["a\r\n", ""], after: "b\r\n" },
    "mixed ends left alone": { before: "a\r\nb\nc", edit: ["b\n", "x\n"], after: "a\r\nx\nc" },
    "a byte order mark kept": { before: "\ufeffa", edit: ["a", "b"], after: "\ufeffb" },
    "characters of two halves": { before: "a😀b", edit: ["😀", "ü"], after: "aüb" },
    "not there": { before: "a", edit: ["b", "c"], error: /^f: old_string is not in it$/ },
    "another case": { before: "A", edit: ["a", "c"], error: /not in it/ },
    "twice": { before: "a a", edit: ["a", "b"], error: /in it 2 times/ },
    "twice, one in the other": { before: "aaa", edit: ["aa", "b"], error: /in it 2 times/ },
    "empty": { before: "a", edit: ["", "b"], error: /old_string is empty/ },
    "the same": { before: "a", edit: ["a", "a"], error: /are the same/ },
    "no UTF-8": { before: new Uint8Array([0x61, 0xff]), edit: ["a", "b"], error: /not UTF-8/ },
    "too large by it": {
      before: "a".repeat(1000),
      edit: ["a", "b".repeat(2_000), true],
      error: /2,000,000 bytes/,
    },
  };
  for (const [name, { before, edit, after, diff, error }] of Object.entries(cases)) {
    await t.step(name, async () => {
      await withWorkspace(async (workspace) => {
        workspace.write("f", before);
        const [old_string, new_string, replace_all = false] = edit;
        const result = await workspace.call("edit", {
          path: "f",
          old_string,
          new_string,
          replace_all,
        });
        const shown = JSON.stringify(result);
        if (error) assert("errorText" in result && error.test(result.errorText), shown);
        else assert("output" in result, shown);
        if (diff !== undefined) assert(shown.includes(JSON.stringify(diff)), shown);
        const unchanged = typeof before === "string" ? before : undefined;
        if (after ?? unchanged) assertEquals(workspace.read("f"), after ?? unchanged);
      });
    });
  }
});

Deno.test("a diff of a large file takes no time, and one that is large is cut", async () => {
  await withWorkspace(async ({ output, write }) => {
    write("f", lines(1, 80_000));
    const edit = { path: "f", old_string: "line 70000\n", new_string: "x\n" };
    const { diff } = await output<{ diff: string }>("edit", edit);
    assertMatch(diff, /^@@ -69997,7 \+69997,7 @@$/m);
    const all = { path: "f", old_string: "line", new_string: "row", replace_all: true };
    const edited = await output<{ diff: string; message: string }>("edit", all);
    assertMatch(edited.message, /in 79999 places/);
    assertEquals(edited.diff, "[The change is too large to be shown.]");
    write("f", lines(1, 4_000));
    assertMatch((await output<{ diff: string }>("edit", all)).diff, /too large|left out/);
  });
});

Deno.test("of many edits at once none is lost", async () => {
  await withWorkspace(async ({ output, write, read }) => {
    write("f", lines(1, 20));
    await Promise.all(Array.from({ length: 20 }, (_, index) => {
      const old_string = `line ${index + 1}\n`;
      return output("edit", { path: "f", old_string, new_string: old_string.toUpperCase() });
    }));
    assertEquals(read("f"), lines(1, 20).toUpperCase());
  });
});

Deno.test("a change that was stopped before its turn is not made", async () => {
  await withWorkspace(async ({ call, output, read, root }) => {
    const stop = new AbortController();
    const first = output("write", { path: "f", content: "one" });
    const second = call("write", { path: "g", content: "two" }, { signal: stop.signal });
    stop.abort();
    await first;
    assertEquals(await second, { errorText: "The call was stopped" });
    assertEquals([read("f"), [...Deno.readDirSync(root)].length], ["one", 1]);
  });
});

Deno.test("AGENTS.md is read up to 64 KiB, if there is one", async () => {
  await withWorkspace(async ({ root, outside, write }: TestWorkspace) => {
    assertEquals(await agentsFile(root), undefined);
    write("AGENTS.md", "Use tabs.\n");
    assertEquals(await agentsFile(root), "Use tabs.\n");
    write("AGENTS.md", `x${"é".repeat(40_000)}`);
    assertEquals(await agentsFile(root), `x${"é".repeat(32_767)}`);
    Deno.removeSync(`${root}/AGENTS.md`);
    Deno.symlinkSync(`${outside}/secret`, `${root}/AGENTS.md`);
    assertEquals(await agentsFile(root), undefined);
  });
});

/** Measures for how long the event loop is kept at most. */
function longestGap() {
  let [last, longest] = [performance.now(), 0];
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  return {
    end() {
      look();
      clearInterval(timer);
      return longest;
    },
  };
}
