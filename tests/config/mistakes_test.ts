/** Mistakes in the configuration: each is told in one line that says where it is, and no secret. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readConfig } from "../../src/config/config.ts";
import { warnOfUnknown } from "../../src/config/models.ts";
import { UsageError } from "../../src/domain/errors.ts";

interface Given {
  flags?: Record<string, string>;
  env?: Record<string, string>;
  file?: string | object;
}

function read({ flags = {}, env = {}, file }: Given) {
  return readConfig({
    flags: { ...flags, ...(file !== undefined && { config: "parley.jsonc" }) },
    env: { HOME: "/home/alice", ...env },
    readFile: () => typeof file === "string" ? file : JSON.stringify(file, null, 1),
  });
}

/** What each mistake leads to. */
type Cases = Record<string, [Given, string | RegExp]>;

async function check(t: Deno.TestContext, cases: Cases): Promise<void> {
  for (const [name, [given, expected]] of Object.entries(cases)) {
    await t.step(name, () => {
      const { message } = assertThrows(() => read(given), UsageError);
      if (typeof expected === "string") assertEquals(message, expected);
      else assertMatch(message, expected);
      assert(!message.includes("\n") && message.length < 500, message);
      assert(!/s3cret/.test(message), message);
    });
  }
}

Deno.test("names like no setting's may be another program's: a warning", () => {
  for (const name of ["PARLEY_PORT", "PARLEY_BIN", "PARLEY_SOMETHING_ELSE_ENTIRELY"]) {
    const { warnings } = read({ env: { [name]: "x" } });
    assertEquals(warnings, [`Unknown environment variable ${name}: it has no effect`]);
  }
});

Deno.test("names that nobody reads are told, with the nearest one that somebody does", async (t) => {
  const unknown = (name: string, meant: string): Cases[string] => [
    { env: { [name]: "x" } },
    `Unknown environment variable ${name}: did you mean ${meant}?`,
  ];
  await check(t, {
    "one letter": unknown("PARLEY_LISTN", "PARLEY_LISTEN"),
    "a plural": unknown("PARLEY_TOKEN", "PARLEY_TOKENS"),
    "swapped letters": unknown("PARLEY_DATABSAE_URL", "PARLEY_DATABASE_URL"),
    "a limit": unknown("PARLEY_LIMITS_RETRIES", "PARLEY_LIMIT_RETRIES"),
    "lower case": unknown("parley_listen", "PARLEY_LISTEN"),
    "a provider's field": unknown("PARLEY_AI_PROVIDER_3_APIKEY", "PARLEY_AI_PROVIDER_3_API_KEY"),
    "a provider without a number": unknown("PARLEY_AI_PROVIDER_TYPE", "PARLEY_AI_PROVIDER_0_TYPE"),
    "a number with a zero": unknown("CODER_AI_PROVIDER_01_TYPE", "CODER_AI_PROVIDER_1_TYPE"),
    "a gap": [
      {
        env: {
          PARLEY_AI_PROVIDER_0_TYPE: "demo",
          PARLEY_AI_PROVIDER_2_TYPE: "demo",
        },
      },
      "Missing PARLEY_AI_PROVIDER_1_TYPE: expected providers without a gap in their numbers, found " +
      "PARLEY_AI_PROVIDER_2_…",
    ],
  });
});

Deno.test("what Kubernetes says of a service called parley is no mistake", () => {
  read({
    env: {
      PARLEY_SERVICE_HOST: "10.0.0.1",
      PARLEY_SERVICE_PORT: "4320",
      PARLEY_SERVICE_PORT_HTTP: "4320",
      PARLEY_PORT: "tcp://10.0.0.1:4320",
      PARLEY_PORT_4320_TCP: "tcp://10.0.0.1:4320",
      PARLEY_PORT_4320_TCP_ADDR: "10.0.0.1",
      PARLEY_PORT_4320_TCP_PROTO: "tcp",
      PARLEY_WEB_SERVICE_HOST: "10.0.0.2",
    },
  });
});

Deno.test("keys and values of the file are told with their line", async (t) => {
  await check(t, {
    "a key": [
      { file: '{\n "listen": "h:1",\n "log_levl": "warn" }' },
      'Unknown key "log_levl" in parley.jsonc, line 3: did you mean log_level?',
    ],
    "a limit": [
      { file: '{ "limits": {\n "retires": 1 } }' },
      'Unknown key "limits.retires" in parley.jsonc, line 2: did you mean retries?',
    ],
    "a dotted key": [{ file: '{"limits.retries": 1}' }, /^Unknown key "limits\.retries"/],
    "a provider's key": [
      { file: '{ "providers": [\n{ "type": "demo" },\n{ "type": "demo", "model": [] } ] }' },
      'Unknown key "providers.1.model" in parley.jsonc, line 3: did you mean models?',
    ],
    "a key twice": [
      { file: '{ "busy": "queue",\n "busy": "reject" }' },
      'The key "busy" is there twice, the second time in parley.jsonc, line 2',
    ],
    "a value": [
      { file: '{\n\n"busy": "wait" }' },
      'Invalid busy: expected reject, queue, interrupt, found "wait" (parley.jsonc, line 3)',
    ],
    "a list for an object": [
      { file: { limits: [] } },
      "Invalid limits: expected an object (parley.jsonc, line 2)",
    ],
    "an object for a list": [{ file: { providers: {} } }, /expected a list of providers/],
    "a text for a provider": [
      { file: { providers: ["openai"] } },
      /providers\.0: expected an object/,
    ],
    "a null": [{ file: { default_model: null } }, /^Invalid default_model: expected .* found null/],
    "a variable that is not set": [
      { file: { database_url: "libsql://h", database_token: "${DB_TOKEN}" } },
      "Invalid database_token: expected the environment variable DB_TOKEN to be set " +
      "(parley.jsonc, line 3)",
    ],
  });
});

Deno.test("providers that cannot work are told", async (t) => {
  const provider = (fields: Record<string, string>, n = 0) =>
    Object.fromEntries(
      Object.entries(fields).map(([field, value]) => [`PARLEY_AI_PROVIDER_${n}_${field}`, value]),
    );
  const key = { TYPE: "openai", API_KEY: "sk-1" };
  await check(t, {
    "no type": [{ env: provider({ API_KEY: "s3cret" }) }, /^Missing PARLEY_AI_PROVIDER_0_TYPE: /],
    "another type": [
      { env: provider({ TYPE: "opanai" }) },
      /_TYPE: expected one of openai, .* found/,
    ],
    "a URL without a scheme": [
      { env: provider({ ...key, BASE_URL: "localhost:8080/v1" }) },
      "Invalid PARLEY_AI_PROVIDER_0_BASE_URL: expected an http(s) URL without a query, found " +
      '"localhost:8080/v1"',
    ],
    "a URL with one slash": [{ env: provider({ ...key, BASE_URL: "http:/h/v1" }) }, /BASE_URL/],
    "a URL with a query": [
      { env: provider({ ...key, BASE_URL: "http://h/?k=s3cret" }) },
      /BASE_URL/,
    ],
    "a URL that is no good, with a password": [
      { env: provider({ ...key, BASE_URL: "http://me:s3cret/s3cret?s3cret@h" }) },
      /BASE_URL: .* found "…@h"$/,
    ],
    "no key": [
      { env: provider({ TYPE: "anthropic" }) },
      "Missing PARLEY_AI_PROVIDER_0_API_KEY: expected the key of anthropic, or the URL of a server " +
      "that needs none",
    ],
    "no key in the file": [
      { file: { providers: [{ type: "google" }] } },
      /^Missing providers\.0\.api_key \(parley.jsonc, line 3\)/,
    ],
    "a key with a space": [{ env: provider({ ...key, API_KEY: "s3cret s3cret" }) }, /API_KEY: /],
    "a blank key": [{ env: { OPENAI_API_KEY: " " } }, /^Invalid OPENAI_API_KEY/],
    "a URL of a well-known name": [{ env: { OPENAI_BASE_URL: "localhost" } }, /OPENAI_BASE_URL/],
    "one name for two": [
      { env: { ...provider({ ...key, NAME: "a" }), ...provider({ ...key, NAME: "a" }, 1) } },
      'Invalid PARLEY_AI_PROVIDER_1_NAME: expected a name that no other provider has, found "a"',
    ],
    "one name for two in the file": [
      { file: { providers: [{ type: "demo", name: "a" }, { type: "demo", name: "a" }] } },
      /^Invalid providers\.1\.name: expected a name that no other provider has/,
    ],
    "a model twice": [{ env: provider({ ...key, MODELS: "a, b, a" }) }, /each model once, found a/],
    "more streams for one than for all": [
      { env: { PARLEY_LIMIT_STREAMS: "10" }, file: { limits: { streams_per_user: 11 } } },
      /^Invalid limits.streams_per_user: expected at most 10, as limits.streams, found 11 \(/,
    ],
    "a blank model": [
      { file: { providers: [{ type: "demo", models: [" "] }] } },
      /providers.0.models/,
    ],
    "a key for the demo": [
      { env: provider({ ...key, TYPE: "demo" }) },
      /the demo model asks no server/,
    ],
  });
});

Deno.test("origins, hosts and URLs that would never match are told", async (t) => {
  const env = (name: string, value: string, expected: RegExp): Cases[string] => [
    { env: { [`PARLEY_${name}`]: value } },
    expected,
  ];
  await check(t, {
    "any origin": env("CORS_ORIGINS", "*", /expected origins such as .*, found "\*"/),
    "a wildcard": env("CORS_ORIGINS", "https://*.example.com", /expected origins such as/),
    "a path": env("CORS_ORIGINS", "https://a.example/app", /one that is not https:\/\/a\.example$/),
    "a slash": env("CORS_ORIGINS", "https://a.example/", /one that is not https:\/\/a\.example$/),
    "capitals": env("CORS_ORIGINS", "https://A.example", /one that is not https:\/\/a\.example$/),
    "the default port": env("CORS_ORIGINS", "https://a.example:443", /not https:\/\/a\.example$/),
    "no scheme": env("CORS_ORIGINS", "a.example", /expected origins such as/),
    "null": env("CORS_ORIGINS", "null", /expected origins such as/),
    "the second one": env("CORS_ORIGINS", "https://a.example, b.example", /CORS_ORIGINS/),
    "a host with a scheme": env("ALLOWED_HOSTS", "https://a.example", /without a port/),
    "a host with a port": env("ALLOWED_HOSTS", "a.example:80", /without a port/),
    "a host with a path": env("ALLOWED_HOSTS", "a.example/", /without a port/),
    "any host": env("ALLOWED_HOSTS", "*.example", /without a port/),
    "a deployment without a scheme": env("CODER_URL", "coder.example.com", /http\(s\) URL/),
    "a deployment with a query": env("CODER_URL", "https://h/?a=s3cret", /http\(s\) URL/),
    "a database without a scheme": env("DATABASE_URL", "me:s3cret@h", /DATABASE_URL/),
    "a file with a query": env("DATABASE_URL", "file:/x?authToken=s3cret", /DATABASE_URL/),
    "a file on another host": env("DATABASE_URL", "file://host/x.db", /DATABASE_URL/),
    "no file": env("DATABASE_URL", "file:", /DATABASE_URL/),
    "no host": env("DATABASE_URL", "libsql:///?authToken=s3cret", /DATABASE_URL/),
    "another parameter": env("DATABASE_URL", "libsql://h?token=s3cret", /DATABASE_URL/),
    "an empty token": env("DATABASE_URL", "libsql://h?authToken=", /DATABASE_URL/),
    "two tokens": env("DATABASE_URL", "libsql://h?authToken=a&authToken=s3cret", /DATABASE_URL/),
    "another value": env("DATABASE_URL", "libsql://h?tls=s3cret", /DATABASE_URL/),
    "a parameter of every object": env("DATABASE_URL", "libsql://h?constructor=1", /DATABASE_URL/),
    "a database with a fragment": env("DATABASE_URL", "libsql://h#s3cret", /DATABASE_URL/),
    "a port": env("LISTEN", "h:70000", /^Invalid PARLEY_LISTEN: expected a port up to 65535/),
    "a URL to listen on": env("LISTEN", "http://127.0.0.1:4320", /HOST:PORT/),
  });
  const { corsOrigins, allowedHosts } = read({
    env: {
      PARLEY_CORS_ORIGINS: "https://a.example, http://localhost:3000,tauri://localhost",
      PARLEY_ALLOWED_HOSTS: "a.example, my_host, [::2]",
    },
  });
  assertEquals([corsOrigins.length, allowedHosts.length], [3, 3]);
});

Deno.test("users and secrets that cannot work are told, without the secrets", async (t) => {
  const tokens = (value: string): Given => ({ env: { PARLEY_TOKENS: value } });
  await check(t, {
    "one secret for two": [
      tokens("alice=s3cret-one,bob=s3cret-two,carol=s3cret-one"),
      "Invalid PARLEY_TOKENS: expected a secret of its own for each user, found one for alice and carol",
    ],
    "one user twice": [
      tokens("alice=s3cret-one,alice=s3cret-two"),
      /each name once, found alice twice/,
    ],
    "no name": [tokens("=s3cret-one"), /^Invalid PARLEY_TOKENS: expected NAME=SECRET/],
    "no secret": [tokens("alice="), /^Invalid PARLEY_TOKENS/],
    "no user": [tokens("s3cret-one"), /^Invalid PARLEY_TOKENS/],
    "a short secret": [tokens("alice=s3cret"), /at least 8 visible/],
    "a secret with a space": [tokens("alice=s3cret s3cret"), /^Invalid PARLEY_TOKENS/],
    "a short secret in the file": [{ file: { tokens: { alice: "s3cret" } } }, /^Invalid tokens/],
    "a blank name in the file": [{ file: { tokens: { " ": "s3cret-one" } } }, /^Invalid tokens/],
    "a name with a line break": [{ file: { tokens: { "a\nb": "s3cret-one" } } }, /^Invalid tokens/],
    "a token for a file": [
      { env: { PARLEY_DATABASE_TOKEN: "s3cret" } },
      "Invalid PARLEY_DATABASE_TOKEN: expected nothing: the database is a file, without a token",
    ],
    "two tokens for a database": [
      {
        env: {
          PARLEY_DATABASE_URL: "libsql://h?authToken=s3cret",
          PARLEY_DATABASE_TOKEN: "s3cret",
        },
      },
      /^Invalid PARLEY_DATABASE_TOKEN: expected nothing: the URL of the database has a token$/,
    ],
    "more streams for one than for all": [
      { env: { PARLEY_LIMIT_STREAMS: "10" }, file: { limits: { streams_per_user: 11 } } },
      /^Invalid limits.streams_per_user: expected at most 10, as limits.streams, found 11 \(/,
    ],
    "a blank model": [{ env: { PARLEY_DEFAULT_MODEL: " " } }, /^Invalid PARLEY_DEFAULT_MODEL/],
    "a folder for a shell": [
      { env: { PARLEY_DATA: "~/data" } },
      /^Invalid PARLEY_DATA: .* "~\/data"/,
    ],
    "a folder of a variable": [{ env: { PARLEY_DATA: "$HOME/data" } }, /^Invalid PARLEY_DATA/],
    "a database for a shell": [{ env: { PARLEY_DATABASE_URL: "file:~/x.db" } }, /DATABASE_URL/],
    "a blank folder": [{ flags: { data: "" } }, /^Invalid --data: expected a folder/],
  });
});

Deno.test("models that no provider has are told, with those that there are", async (t) => {
  const models = {
    PARLEY_AI_PROVIDER_0_TYPE: "openai",
    PARLEY_AI_PROVIDER_0_API_KEY: "sk-1",
    PARLEY_AI_PROVIDER_0_MODELS: "gpt-5,gpt-5-mini",
    PARLEY_AI_PROVIDER_1_TYPE: "demo",
  };
  const known = "expected one of gpt-5, gpt-5-mini, demo";
  await check(t, {
    default: [
      { env: { ...models, PARLEY_DEFAULT_MODEL: "gpt5" } },
      `Invalid PARLEY_DEFAULT_MODEL: ${known}, found "gpt5"`,
    ],
    title: [
      { env: models, file: { title_model: "gpt5" } },
      `Invalid title_model: ${known}, found "gpt5" (parley.jsonc, line 2)`,
    ],
    "a fallback": [{ env: { ...models, PARLEY_FALLBACKS: "gpt-5=gpt-4" } }, /FALLBACKS: .*"gpt-4"/],
    "what it is for": [{ env: { ...models, PARLEY_FALLBACKS: "gpt-4=gpt-5" } }, /"gpt-4"/],
    "itself": [{ env: { ...models, PARLEY_FALLBACKS: "demo=demo" } }, /other models, found demo/],
    "the demo alone": [
      { env: { PARLEY_DEFAULT_MODEL: "gpt-5" } },
      'Invalid PARLEY_DEFAULT_MODEL: expected demo, found "gpt-5"',
    ],
  });
  const env = {
    ...models,
    PARLEY_DEFAULT_MODEL: "openai/gpt-5",
    PARLEY_FALLBACKS: "gpt-5=demo|gpt-5-mini",
    PARLEY_PRICES: '{"gpt-4": {"input": 1, "output": 2}}',
  };
  assertEquals(read({ env }).warnings, [
    `PARLEY_PRICES names the model "gpt-4", which no provider has: ${known}`,
  ]);
  // A provider that has to be asked may have any; the log says so once it has told.
  const asked = read({ env: { OPENAI_API_KEY: "sk-1", PARLEY_DEFAULT_MODEL: "gpt-9" } });
  assertEquals(asked.modelsToCheck.map(({ id }) => id), ["gpt-9"]);
});

Deno.test("hosts that would keep nobody out are a warning", () => {
  const env = { PARLEY_ALLOWED_HOSTS: "a.example" };
  assertEquals(read({ env }).warnings, []);
  assertMatch(read({ env, flags: { listen: "0.0.0.0:1" } }).warnings.join(), /has no effect/);
});

Deno.test("a model that a provider turns out not to have is a warning, once that is known", async () => {
  const { modelsToCheck } = read({
    env: {
      OPENAI_API_KEY: "sk-1",
      PARLEY_DEFAULT_MODEL: "gpt-9",
      PARLEY_TITLE_MODEL: "gpt-5",
      PARLEY_PRICES: '{"gpt-4": {"input": 1, "output": 2}}',
    },
  });
  let tries = 0;
  const warned: string[] = [];
  const models = ["gpt-5"];
  await warnOfUnknown(
    modelsToCheck,
    {
      // First there is no answer, then one without models, then one that has them.
      list: () => {
        tries++;
        if (tries === 1) return Promise.reject(new Error("unreachable"));
        return Promise.resolve(tries === 2 ? [] : models.map((id) => ({ id })));
      },
      find: (id) => Promise.resolve(models.find((known) => known === id)),
    },
    (line) => warned.push(line),
    () => Promise.resolve(),
  );
  assertEquals(warned, [
    'PARLEY_DEFAULT_MODEL names the model "gpt-9", which no provider has: expected gpt-5',
    'PARLEY_PRICES names the model "gpt-4", which no provider has: expected gpt-5',
  ]);
});
