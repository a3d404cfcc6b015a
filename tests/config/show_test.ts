/** `parley config`: a file that can be used, without secrets, with the origin of each value. */
import { assertEquals, assertMatch, assertNotMatch, assertThrows } from "@std/assert";
import { parse, type ParseError } from "jsonc-parser";
import { readConfig, readSources, secretsOf } from "../../src/config/config.ts";
import { showConfig } from "../../src/config/show.ts";
import { UsageError } from "../../src/domain/errors.ts";

const HOME = { HOME: "/home/alice" };

function sources(env: Record<string, string>, file?: string, flags = {}) {
  return {
    flags: { ...flags, ...(file !== undefined && { config: "parley.jsonc" }) },
    env: { ...HOME, ...env },
    readFile: () => file ?? "",
  };
}

function show(...given: Parameters<typeof sources>): string {
  return showConfig(readSources(sources(...given)));
}

/** The configuration, without the origins of what is named in warnings. */
function inForce(...given: Parameters<typeof sources>): unknown {
  const { warnings: _, modelsToCheck: __, ...config } = readConfig(sources(...given));
  return JSON.parse(JSON.stringify(config));
}

const ENV = {
  PARLEY_TOKENS: "alice=s3cret-token",
  PARLEY_DATABASE_URL: "libsql://db.example?authToken=s3cret-query",
  PARLEY_CODER_URL: "https://me:s3cret-coder@coder.example",
  PARLEY_LIMIT_RETRIES: "4",
  PARLEY_FALLBACKS: "gpt-5=local/qwen",
  PARLEY_CORS_ORIGINS: "https://a.example,https://b.example",
  PARLEY_SYSTEM_PROMPT: 'Say "hello"\nand // more',
  PARLEY_PRICES: '{"gpt-5": {"input": 1, "output": 2}}',
  PARLEY_AI_PROVIDER_0_TYPE: "openai",
  PARLEY_AI_PROVIDER_0_API_KEY: "s3cret-key",
  PARLEY_AI_PROVIDER_0_MODELS: "gpt-5",
  PARLEY_AI_PROVIDER_1_TYPE: "openai-compatible",
  PARLEY_AI_PROVIDER_1_BASE_URL: "http://user:s3cret%20url@llm.example/v1/",
  PARLEY_AI_PROVIDER_1_NAME: "local",
  PARLEY_AI_PROVIDER_1_MODELS: "qwen",
};

Deno.test("what is shown is a file that leads to the same configuration", () => {
  for (
    const env of [{}, ENV, { OPENAI_API_KEY: "s3cret-key" }, { OPENAI_BASE_URL: "http://h/v1" }]
  ) {
    const shown = show(env);
    const errors: ParseError[] = [];
    parse(shown, errors);
    assertEquals(errors, [], shown);
    assertNotMatch(shown, /s3cret/);
    // The secrets come from the environment, which has them.
    assertEquals(inForce(env, shown), inForce(env));
    // And it shows itself.
    assertEquals(parse(show(env, shown)), parse(shown));
  }
});

Deno.test("each value has its source", () => {
  const file = '{ "log_level": "warn",\n "busy": "queue",\n "tokens": { "bob": "s3cret-bob" },\n' +
    ' "providers": [{ "type": "openai", "api_key": "s3cret-file" }, { "type": "demo" }] }';
  const shown = show({ PARLEY_BUSY: "interrupt" }, file, { data: "/d" });
  assertMatch(shown, /^ {2}"data": "\/d", \/\/ --data$/m);
  assertMatch(shown, /^ {2}"busy": "interrupt", \/\/ PARLEY_BUSY$/m);
  assertMatch(shown, /^ {2}"log_level": "warn", \/\/ parley\.jsonc, line 1$/m);
  assertMatch(shown, /^ {2}"listen": "127\.0\.0\.1:4320", \/\/ default$/m);
  assertMatch(shown, /^ {2}\/\/ "system_prompt": not set$/m);
  assertMatch(shown, /^ {4}"retries": 2, \/\/ default$/m);
  // Secrets of the file itself are left out, and it says so.
  assertMatch(shown, /^ {2}\/\/ "tokens": a secret from parley\.jsonc, line 3, not shown$/m);
  assertMatch(shown, /^ {6}\/\/ "api_key": a secret from parley\.jsonc, line 4/m);
  assertNotMatch(shown, /s3cret/);
  assertThrows(() => readConfig(sources({}, shown)), UsageError, "Missing providers.0.api_key");
});

Deno.test("secrets are known for what they are, in URLs too", () => {
  const secrets = secretsOf(readConfig(sources(ENV)));
  for (
    const secret of ["s3cret-token", "s3cret-query", "s3cret-coder", "s3cret-key", "s3cret%20url"]
  ) {
    assertEquals(secrets.includes(secret), true, secret);
  }
  assertEquals(secrets.includes("s3cret url"), true);
});

Deno.test("the environment completes the provider of the file that has its name", () => {
  const file = '{ "providers": [{ "type": "openai", "name": "main", "models": ["a"] }] }';
  const env = { PARLEY_AI_PROVIDER_0_NAME: "main", PARLEY_AI_PROVIDER_0_API_KEY: "k" };
  const [provider, ...more] = readConfig(sources(env, file)).providers;
  assertEquals(more, []);
  assertEquals(provider, {
    type: "openai",
    name: "main",
    apiKey: "k",
    baseUrl: undefined,
    models: ["a"],
  });
});

Deno.test("what the file refers to is neither shown nor repeated in an error", () => {
  const file = '{ "system_prompt": "${PROMPT}", "busy": "${BUSY}", "coder_url": "${CODER}" }';
  const env = { PROMPT: "s3cret prompt", BUSY: "queue", CODER: "https://coder.example" };
  const shown = show(env, file);
  assertMatch(shown, /"system_prompt": "\$\{PROMPT\}", \/\/ parley\.jsonc, line 1$/m);
  assertNotMatch(shown, /s3cret/);
  assertEquals(inForce({ ...env }, shown), inForce(env, file));
  const { message } = assertThrows(
    () => show({ ...env, BUSY: "s3cret" }, file),
    UsageError,
    "Invalid busy: expected reject, queue, interrupt, found something else (parley.jsonc, line 1)",
  );
  assertNotMatch(message, /s3cret/);
});

Deno.test("a prompt that looks like a URL is shown as it is", () => {
  for (const prompt of ["https://a?b", "http://[?", "a@b?c"]) {
    assertEquals(parse(show({ PARLEY_SYSTEM_PROMPT: prompt })).system_prompt, prompt);
  }
});
