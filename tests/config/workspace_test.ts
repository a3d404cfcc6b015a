/** `--workspace`: a folder that exists, without what the server keeps private. */
import { assertEquals, assertThrows } from "@std/assert";
import { readConfig } from "../../src/config/config.ts";
import { UsageError } from "../../src/domain/errors.ts";
import { showConfig } from "../../src/config/show.ts";
import { readSources } from "../../src/config/config.ts";

type Flags = Record<string, string>;

function sources(flags: Flags, env: Flags = {}) {
  return { flags: { data: "/nowhere/data", ...flags }, env, readFile: () => "{}" };
}

/** A folder with `ws`, a link `link` to it, `file`, and `data`. */
function inFolder(use: (folder: string) => void): void {
  const folder = Deno.realPathSync(Deno.makeTempDirSync());
  try {
    for (const name of ["ws", "ws/sub", "data"]) Deno.mkdirSync(`${folder}/${name}`);
    Deno.writeTextFileSync(`${folder}/file`, "");
    Deno.symlinkSync(`${folder}/ws`, `${folder}/link`);
    Deno.symlinkSync(`${folder}/data`, `${folder}/ws/data`);
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("no workspace unless one is named", () => {
  assertEquals(readConfig(sources({})).workspace, undefined);
});

Deno.test("the folder is absolute and has no links, wherever it is named", () => {
  inFolder((folder) => {
    const workspace = `${folder}/link/../link/`;
    assertEquals(readConfig(sources({ workspace })).workspace, `${folder}/ws`);
    const env = { PARLEY_WORKSPACE: `${folder}/ws` };
    assertEquals(readConfig(sources({}, env)).workspace, `${folder}/ws`);
    const shown = showConfig(readSources(sources({}, env)));
    assertEquals(shown.includes(`"workspace": "${folder}/ws", // PARLEY_WORKSPACE`), true);
  });
});

Deno.test("what is no folder, or has something private in it, is refused", async (t) => {
  const cases: [string, (folder: string) => Flags, string][] = [
    ["nothing there", (f) => ({ workspace: `${f}/none` }), "a folder that exists, found"],
    ["a file", (f) => ({ workspace: `${f}/file` }), "a folder that exists, found"],
    ["the root", () => ({ workspace: "/" }), 'a folder of your own, found "/"'],
    ["/proc", () => ({ workspace: "/proc/self" }), "a folder of your own, found"],
    ["the data folder", (f) => ({ workspace: f, data: `${f}/data` }), "without the data folder"],
    ["a new data folder", (f) => ({ workspace: f, data: `${f}/a/b` }), "without the data folder"],
    ["itself", (f) => ({ workspace: `${f}/ws`, data: `${f}/link` }), "without the data folder"],
    [
      "a link to the data folder",
      (f) => ({ workspace: `${f}/ws`, data: `${f}/ws/data` }),
      "without the data folder",
    ],
    [
      "the database",
      (f) => ({ workspace: `${f}/ws`, "database-url": `file:${f}/link/sub/x.db` }),
      "without the database",
    ],
    [
      "the database by a URL",
      (f) => ({ workspace: `${f}/ws`, "database-url": `file://${f}/ws/x.db` }),
      "without the database",
    ],
    [
      "the configuration",
      (f) => ({ workspace: `${f}/ws`, config: `${f}/link/parley.jsonc` }),
      "without the configuration file",
    ],
  ];
  for (const [name, flags, message] of cases) {
    await t.step(name, () => {
      inFolder((folder) => {
        const read = () => readConfig(sources(flags(folder)));
        assertThrows(read, UsageError, `Invalid --workspace: expected `);
        assertThrows(read, UsageError, message);
      });
    });
  }
});
