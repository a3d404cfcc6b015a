/** The direction of imports: http → runs → models, store; domain imports nothing; no cycles. */
import { assert, assertEquals } from "@std/assert";

const SRC = new URL("../src/", import.meta.url).pathname;

/** Which folders of `src/` a folder may import beside itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  net: ["domain"],
  observe: ["domain"],
  config: ["domain", "observe", "version.ts"],
  wire: ["domain", "net"],
  store: ["domain"],
  models: ["domain", "net", "observe"],
  auth: ["domain", "net"],
  runs: ["domain", "models", "observe"],
  http: ["domain", "config", "models", "observe", "runs", "wire", "version.ts"],
  cli: ["domain", "config", "observe", "store", "app.ts", "version.ts"],
  build: ["http"],
  "app.ts": ["domain", "config", "store", "auth", "http", "models", "observe", "runs"],
  "version.ts": [],
};

/** Packages that only some folders may import. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@libsql/client": ["store", "build"],
  libsql: ["store", "build"],
  "drizzle-orm": ["store"],
  hono: ["http"],
  "hono-openapi": ["http"],
  "@ai-sdk/openai": ["models"],
  "@ai-sdk/openai-compatible": ["models"],
  "@ai-sdk/anthropic": ["models"],
  "@ai-sdk/google": ["models"],
};

Deno.test("imports go one way", async () => {
  for (const [file, imports] of await sources()) {
    const from = topOf(file);
    for (const specifier of imports) {
      if (specifier.startsWith(".")) {
        const to = topOf(resolve(file, specifier));
        assert(to === from || ALLOWED[from]?.includes(to), `${file} imports ${specifier}`);
      } else {
        const name = Object.keys(PACKAGES).find((name) =>
          specifier === name || specifier.startsWith(`${name}/`)
        );
        if (name) assert(PACKAGES[name]?.includes(from), `${file} imports ${specifier}`);
      }
    }
  }
});

Deno.test("no import is part of a cycle", async () => {
  const files = await sources();
  const done = new Set<string>();
  const visit = (file: string, path: string[]) => {
    if (done.has(file)) return;
    assertEquals(path.includes(file), false, [...path, file].join(" → "));
    for (const specifier of files.get(file) ?? []) {
      if (specifier.startsWith(".")) visit(resolve(file, specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of files.keys()) visit(file, []);
});

Deno.test("no file is longer than 300 lines", async () => {
  for (const file of (await sources()).keys()) {
    const lines = (await Deno.readTextFile(SRC + file)).split("\n").length;
    assert(lines <= 301, `${file} has ${lines} lines`);
  }
});

Deno.test("a start loads the packages that every server needs, and no other", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("../main.ts", import.meta.url).pathname],
  }).output();
  const { roots, modules }: { roots: string[]; modules: GraphModule[] } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const known = new Map(modules.map((module) => [module.specifier, module]));
  const packages = new Set<string>();
  const loaded = new Set<string>();
  const load = (specifier: string) => {
    const [, name] = /^npm:\/?((?:@[^/]+\/)?[^@/]+)/.exec(specifier) ?? [];
    if (name) packages.add(name);
    if (loaded.has(specifier)) return;
    loaded.add(specifier);
    for (const { code, isDynamic } of known.get(specifier)?.dependencies ?? []) {
      if (code?.specifier && !isDynamic) load(code.specifier);
    }
  };
  load(roots[0]!);
  load(new URL("../src/cli/serve.ts", import.meta.url).href);
  assertEquals(
    [...packages].sort(),
    ["@ai-sdk/provider", "hono", "hono-openapi", "jsonc-parser", "libsql", "zod"],
  );
});

/** A module in the output of `deno info`. */
interface GraphModule {
  specifier: string;
  dependencies?: { code?: { specifier?: string }; isDynamic?: boolean }[];
}

/** The files of `src/` with what each imports. */
async function sources(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const walk = async (folder: string) => {
    for await (const entry of Deno.readDir(SRC + folder)) {
      const path = folder + entry.name;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (path.endsWith(".ts")) {
        found.set(path, importsOf(await Deno.readTextFile(SRC + path)));
      }
    }
  };
  await walk("");
  return found;
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom|\bimport\()\s*"([^"]+)"/g)].map(([, name]) => name!);
}

function topOf(path: string): string {
  return path.split("/")[0]!;
}

function resolve(file: string, specifier: string): string {
  return new URL(specifier, `file:///${file}`).pathname.slice(1);
}
