/** The commands of Parley, and how it starts and ends: the binary of `PARLEY_BIN`, else the source. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { type Finished, runParley, spawnParley } from "../kit/process.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { providerEnv } from "../kit/scripted.ts";
import { clientOf, eventually, statusOf } from "./client.ts";

const TOKENS = { PARLEY_TOKENS: "alice=alice-secret" };

async function tempDir(): Promise<string> {
  return await Deno.makeTempDir({ prefix: "parley-e2e-" });
}

/** Fails unless the command said in one line, and nowhere else, why it did nothing. */
function assertRefused({ code, stdout, stderr }: Finished, line: RegExp, expected = 2): void {
  assertMatch(stderr, /^parley: [^\n]+\n$/);
  assertMatch(stderr, line);
  assertEquals({ code, stdout }, { code: expected, stdout: "" });
}

/** Runs `curl` with these arguments in a shell; resolves to what it printed. */
async function curl(args: string): Promise<string> {
  const { stdout } = await new Deno.Command("bash", { args: ["-c", `curl -sS ${args}`] }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("--version and --help", async () => {
  const version = await runParley({ args: ["--version"] });
  assertMatch(version.stdout, /^parley \d+\.\d+\.\d+\n$/);
  assertEquals({ code: version.code, stderr: version.stderr }, { code: 0, stderr: "" });

  const help = await runParley({ args: ["--help"] });
  assertEquals({ code: help.code, stderr: help.stderr }, { code: 0, stderr: "" });
  for (const word of ["parley token create", "--listen", "PARLEY_DATABASE_URL", "demo model"]) {
    assertStringIncludes(help.stdout, word);
  }
});

Deno.test("a mistake is told in one line, with exit code 2", async (t) => {
  const cases: [args: string[], line: RegExp, env?: Record<string, string>][] = [
    [["talk"], /Unknown command "talk"/],
    [["--talk"], /Unknown option '--talk'/],
    [["serve", "more"], /Unexpected "more"/],
    [["--listen"], /argument missing/],
    [["--listen", "nowhere"], /Invalid --listen: expected HOST:PORT or unix:PATH, found "nowhere"/],
    [["config"], /Invalid PARLEY_LOG_LEVEL: expected .*, found "loud"/, {
      PARLEY_LOG_LEVEL: "loud",
    }],
    [["config"], /Unknown variable PARLEY_AI_PROVIDER_1_MODEL/, {
      PARLEY_AI_PROVIDER_1_TYPE: "openai",
      PARLEY_AI_PROVIDER_1_MODEL: "one",
    }],
    [["--config", "/nowhere/parley.jsonc"], /\/nowhere\/parley.jsonc cannot be read/],
    [["token"], /Expected parley token create, list or revoke/],
    [["token", "create", "--expires", "soon"], /Invalid --expires: expected .*, found "soon"/],
    [["token", "revoke", "nobody"], /No token has the id or name "nobody"/],
    [["--data", "/dev/null/parley"], /data folder \/dev\/null\/parley cannot be made/],
  ];
  const dataDir = await tempDir();
  for (const [args, line, env] of cases) {
    await t.step(args.join(" "), async () => {
      assertRefused(await runParley({ args, env: { PARLEY_DATA: dataDir, ...env } }), line);
    });
  }
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("parley config shows everything but the secrets", async () => {
  const folder = await tempDir();
  const file = `${folder}/parley.jsonc`;
  const secrets = [
    "s3cret-token",
    "s3cret-file-key",
    "s3cret-key",
    "s3cret-database",
    "s3cret-url",
  ];
  await Deno.writeTextFile(
    file,
    `{ "providers": [{ "type": "openai", "api_key": "s3cret-file-key" }] } // a comment`,
  );
  const { code, stdout, stderr } = await runParley({
    args: ["config", "--config", file, "--log-level", "warn"],
    env: {
      PARLEY_DATA: folder,
      PARLEY_TOKENS: "alice=s3cret-token",
      PARLEY_DATABASE_URL: "libsql://db.example",
      PARLEY_DATABASE_TOKEN: "s3cret-database",
      PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
      PARLEY_AI_PROVIDER_0_API_KEY: "s3cret-key",
      PARLEY_AI_PROVIDER_0_BASE_URL: "http://user:s3cret-url@llm.example/v1",
    },
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  for (const secret of secrets) assert(!stdout.includes(secret), `${secret} is shown`);
  const shown = JSON.parse(stdout);
  assertEquals(shown.logLevel, "warn");
  assertEquals(shown.tokens, { alice: "[set]" });
  assertEquals(shown.database, { url: "libsql://db.example", token: "[set]" });
  assertEquals(
    shown.providers.map(({ type, apiKey }: Record<string, unknown>) => [type, apiKey]),
    [["openai-compatible", "[set]"], ["openai", "[set]"]],
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a first start makes all that it needs and says how to use it", async () => {
  const parent = await tempDir();
  const dataDir = `${parent}/not/there/yet`;
  {
    await using server = await spawnParley({ dataDir });
    const modes: Record<string, number> = { ".": Deno.statSync(dataDir).mode! & 0o777 };
    for (const { name } of Deno.readDirSync(dataDir)) {
      modes[name] = Deno.statSync(`${dataDir}/${name}`).mode! & 0o777;
    }
    assertEquals([modes["."], modes["token"], modes["parley.db"]], [0o700, 0o600, 0o600]);
    assertEquals(Object.values(modes).filter((mode) => (mode & 0o077) !== 0), []);

    const header = /-H "Coder-Session-Token: .*"/.exec(server.stderr)?.[0];
    assert(header, server.stderr);
    assertStringIncludes(server.stderr, `${dataDir}/token`);
    assertEquals(JSON.parse(await curl(`${header} ${server.url}/api/v2/users/me`)).name, "local");
    assertEquals(JSON.parse(await curl(`${header} ${server.url}/api/v2/chats`)), []);
    server.signal("SIGTERM");
    assertEquals(await server.exit, 0);
  }
  const token = await Deno.readTextFile(`${dataDir}/token`);
  {
    await using server = await spawnParley({ dataDir });
    assertEquals(await Deno.readTextFile(`${dataDir}/token`), token);
    const me = clientOf(server.url, token.trim()).ask("GET", "/api/v2/users/me");
    assertEquals(await statusOf(me), 200);
  }
  await Deno.remove(parent, { recursive: true });
});

Deno.test("it listens on a Unix socket, also where a killed process left its file", async () => {
  const dataDir = await tempDir();
  const socket = `${dataDir}/parley.sock`;
  const options = { dataDir, args: ["--listen", `unix:${socket}`], env: TOKENS };
  for (const end of ["SIGKILL", "SIGTERM"] as const) {
    await using server = await spawnParley(options);
    assertEquals(server.url, `unix:${socket}`);
    assertEquals(Deno.statSync(socket).mode! & 0o077, 0);
    const me = await curl(
      `--unix-socket ${socket} -H "Coder-Session-Token: alice-secret" http://parley/api/v2/users/me`,
    );
    assertEquals(JSON.parse(me).username, "alice");
    server.signal(end);
    await server.exit;
  }
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("a port that is taken is told in one line", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dataDir = await tempDir();
  const address = `127.0.0.1:${listener.addr.port}`;
  const refused = await runParley({
    args: ["serve", "--data", dataDir, "--listen", address],
    env: TOKENS,
  });
  assertRefused(refused, new RegExp(`Cannot listen on ${address}: .*in use`));
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("SIGTERM and SIGINT end it at once with exit code 0, from its first line on", async (t) => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await t.step(signal, async () => {
      // What comes too early for a server hits it now and then only.
      for (let start = 0; start < 4; start++) {
        await using server = await spawnParley({ env: TOKENS });
        const before = performance.now();
        server.signal(signal);
        assertEquals(await server.exit, 0, server.stderr);
        assert(performance.now() - before < 1_500, "it took too long");
      }
    });
  }
});

Deno.test("SIGTERM keeps what an answer has said, and what is said in the time that it has", async () => {
  await using provider = await startProvider();
  const dataDir = await tempDir();
  for (const seconds of ["0", "30"]) {
    const more = gate();
    provider.script({ steps: [{ text: "Half" }, { wait: more }, { text: " and half." }] });
    const env = {
      ...TOKENS,
      ...providerEnv(provider),
      PARLEY_LIMIT_SHUTDOWN_SECONDS: seconds,
    };
    let chat: string;
    {
      await using server = await spawnParley({ dataDir, env });
      const alice = clientOf(server.url, "alice-secret");
      chat = await alice.newChat({ title: "A chat" });
      const stream = new StreamReader(await alice.send(chat, "Hello", "scripted"));
      await stream.until('"Half"');
      server.signal("SIGTERM");
      await eventually(
        "it says so",
        () => Promise.resolve(server.stderr.includes("shutting down") || undefined),
      );
      more.open();
      await stream.rest();
      assertEquals(await server.exit, 0, server.stderr);
    }
    await using server = await spawnParley({ dataDir, env });
    const history = await clientOf(server.url, "alice-secret").history(chat);
    const said = seconds === "0" ? "Half" : "Half and half.";
    assertEquals(history.map(({ content }) => content), ["Hello", said]);
  }
  await Deno.remove(dataDir, { recursive: true });
});
