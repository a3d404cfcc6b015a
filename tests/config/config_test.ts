import { assertEquals, assertNotMatch, assertThrows } from "@std/assert";
import { readConfig } from "../../src/config/config.ts";
import type { ConfigSources } from "../../src/config/given.ts";
import { UsageError } from "../../src/domain/errors.ts";

type Given = Partial<Omit<ConfigSources, "readFile">> & { file?: string };

function read({ flags = {}, env = {}, file }: Given) {
  return readConfig({
    flags: { ...flags, ...(file !== undefined && { config: "parley.jsonc" }) },
    env: { HOME: "/home/alice", ...env },
    readFile: () => {
      if (file === undefined) throw new Error("no file");
      return file;
    },
  });
}

Deno.test("without anything there are defaults and the demo model", () => {
  const config = read({});
  assertEquals(config.listen, { host: "127.0.0.1", port: 4320 });
  assertEquals(config.dataDir, "/home/alice/.local/share/parley");
  assertEquals(config.database.url, "file:/home/alice/.local/share/parley/parley.db");
  assertEquals(config.providers, [{ type: "demo", name: "demo", models: [] }]);
});

Deno.test("flags win over the environment, which wins over the file", () => {
  const file = '{ "listen": "h:1", /* why */ "log_level": "warn", "limits": {"streams": 7,}, }';
  const env = { PARLEY_LISTEN: "h:2" };
  assertEquals(read({ file }).listen, { host: "h", port: 1 });
  assertEquals(read({ file, env }).listen, { host: "h", port: 2 });
  const config = read({ file, env, flags: { listen: "[::1]:3" } });
  assertEquals(config.listen, { host: "::1", port: 3 });
  assertEquals(config.logLevel, "warn");
  assertEquals(config.limits.streams.total, 7);
});

Deno.test("the data folder follows XDG, and the database the data folder", () => {
  assertEquals(read({ env: { XDG_DATA_HOME: "/x" } }).dataDir, "/x/parley");
  assertEquals(read({ flags: { data: "/d" } }).database.url, "file:/d/parley.db");
  assertEquals(
    read({ flags: { "database-url": "libsql://db.example" } }).database.url,
    "libsql://db.example",
  );
  assertEquals(read({ flags: { listen: "unix:/run/p.sock" } }).listen, { unix: "/run/p.sock" });
});

Deno.test("an error names the key, what was found and what was expected", async (t) => {
  const cases: [string, Given, string][] = [
    [
      "flag",
      { flags: { listen: "nonsense" } },
      'Invalid --listen: expected HOST:PORT or unix:PATH, found "nonsense"',
    ],
    ["port", { flags: { listen: "h:70000" } }, "expected a port up to 65535, found 70000"],
    [
      "environment",
      { env: { PARLEY_LOG_LEVEL: "loud" } },
      'Invalid PARLEY_LOG_LEVEL: expected debug, info, warn, error, found "loud"',
    ],
    [
      "file",
      { file: '{"limits":{"streams":0}}' },
      "Invalid limits.streams: expected a whole number from 1 to 100000, found 0",
    ],
    ["unknown key", { file: '{"limit":{}}' }, 'Unknown key "limit"'],
    ["unknown limit", { file: '{"limits":{"stream":1}}' }, 'Unknown key "limits.stream"'],
    ["no JSONC", { file: '{\n"listen": }' }, "line 2"],
    ["no object", { file: "[]" }, "must contain an object"],
    ["no file", { env: { PARLEY_CONFIG: "/none" } }, "Cannot read the configuration file /none"],
    [
      "short token",
      { env: { PARLEY_TOKENS: "alice=short" } },
      "Invalid PARLEY_TOKENS: expected NAME=SECRET",
    ],
    ["database", { env: { PARLEY_DATABASE_URL: "mysql://x" } }, "Invalid PARLEY_DATABASE_URL"],
    [
      "provider type",
      { env: { CODER_AI_PROVIDER_0_TYPE: "acme" } },
      "Invalid CODER_AI_PROVIDER_0_TYPE: expected one of openai",
    ],
    [
      "provider without type",
      { env: { CODER_AI_PROVIDER_0_API_KEY: "k" } },
      "CODER_AI_PROVIDER_0_TYPE",
    ],
    ["provider URL", {
      env: { PARLEY_AI_PROVIDER_1_TYPE: "openai", PARLEY_AI_PROVIDER_1_BASE_URL: "x" },
    }, 'expected an http(s) URL without a query, found "x"'],
    [
      "provider variable",
      {
        env: { CODER_AI_PROVIDER_0_TYPE: "openai", CODER_AI_PROVIDER_0_MODEL: "x" },
      },
      "Unknown environment variable CODER_AI_PROVIDER_0_MODEL: did you mean CODER_AI_PROVIDER_0_MODELS?",
    ],
    [
      "compatible without URL",
      { file: '{"providers":[{"type":"openai-compatible"}]}' },
      "Missing providers.0.base_url (parley.jsonc, line 1): expected a base URL",
    ],
    [
      "no home",
      { env: { HOME: undefined } as unknown as Record<string, string> },
      "expected --data DIR",
    ],
  ];
  for (const [name, given, message] of cases) {
    await t.step(name, () => {
      const error = assertThrows(() => read(given), UsageError, message);
      assertEquals(error.message.includes("\n"), false);
    });
  }
});

Deno.test("a wrong secret is not shown", () => {
  const error = assertThrows(
    () => read({ env: { PARLEY_TOKENS: "alice-has-a-secret" } }),
    UsageError,
  );
  assertNotMatch(error.message, /alice-has-a-secret/);
});

Deno.test("providers: the seed's variables, then ours, then the keys that are set anyway", () => {
  const numbered = {
    CODER_AI_PROVIDER_1_TYPE: "anthropic",
    CODER_AI_PROVIDER_1_API_KEY: "k1",
    CODER_AI_PROVIDER_0_TYPE: "openai",
    CODER_AI_PROVIDER_0_API_KEY: "k0",
    CODER_AI_PROVIDER_0_BASE_URL: "http://127.0.0.1:8080/v1/",
    CODER_AI_PROVIDER_0_MODELS: "a, b",
    OPENAI_API_KEY: "ignored",
  };
  assertEquals(read({ env: numbered }).providers, [
    {
      type: "openai",
      name: "openai",
      apiKey: "k0",
      baseUrl: "http://127.0.0.1:8080/v1",
      models: ["a", "b"],
    },
    { type: "anthropic", name: "anthropic", apiKey: "k1", baseUrl: undefined, models: [] },
  ]);
  const keys = { OPENAI_BASE_URL: "http://127.0.0.1:1/v1", GOOGLE_API_KEY: "g" };
  assertEquals(
    read({ env: keys }).providers.map(({ type, apiKey }) => [type, apiKey]),
    [["openai", undefined], ["google", "g"]],
  );
  const two = { PARLEY_AI_PROVIDER_0_TYPE: "demo", PARLEY_AI_PROVIDER_1_TYPE: "demo" };
  assertEquals(read({ env: two }).providers.map(({ name }) => name), ["demo", "demo-2"]);
});

Deno.test("a model may have a name that every object has", () => {
  const { fallbacks, prices } = read({
    env: {
      PARLEY_FALLBACKS: "demo=demo-2",
      PARLEY_AI_PROVIDER_0_TYPE: "demo",
      PARLEY_AI_PROVIDER_0_MODELS: "demo,demo-2",
    },
  });
  assertEquals([fallbacks["constructor"], prices["constructor"]], [undefined, undefined]);
  assertEquals(fallbacks["demo"], ["demo-2"]);
});
