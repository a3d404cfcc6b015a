/** The commands of Parley, and how it starts and ends: the binary of `PARLEY_BIN`, else the source. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { type Finished, type ParleyProcess, runParley, spawnParley } from "../kit/process.ts";
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

/** Runs a command in a shell; resolves to what it printed. */
async function bash(command: string): Promise<string> {
  const { stdout } = await new Deno.Command("bash", { args: ["-c", command] }).output();
  return new TextDecoder().decode(stdout);
}

/** Waits for the last line of a start. */
async function saysWhereDocsAre(server: ParleyProcess): Promise<void> {
  await eventually(
    "it says where the API reference is",
    () => Promise.resolve(/The API reference: .*\n/.test(server.stderr) || undefined),
  );
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
  for (const args of [["token", "revoke", "--help"], ["help", "token", "revoke"]]) {
    const { code, stdout } = await runParley({ args });
    assertEquals(code, 0);
    assertMatch(stdout, /^parley token revoke ID \| NAME \[--user USER\]\n/);
    assertMatch(stdout, /^ {2}--user USER /m);
    assert(!/--listen|--expires|token create/.test(stdout), stdout);
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
    [["config"], /Unknown environment variable PARLEY_LISTN: did you mean PARLEY_LISTEN\?/, {
      PARLEY_LISTN: "127.0.0.1:1",
    }],
    [
      ["config"],
      /Unknown environment variable PARLEY_AI_PROVIDER_1_MODEL: did you mean .*_MODELS/,
      {
        PARLEY_AI_PROVIDER_1_TYPE: "openai",
        PARLEY_AI_PROVIDER_1_MODEL: "one",
      },
    ],
    [
      ["--config", "/nowhere/parley.jsonc"],
      /Cannot read the configuration file \/nowhere\/parley.jsonc/,
    ],
    [["token"], /Expected parley token create, list or revoke/],
    [["token", "create", "--expires", "soon"], /Invalid --expires: expected .*, found "soon"/],
    [["token", "lst"], /Expected parley token create, list or revoke, found lst/],
    [["token", "list"], /There is no database .*\/parley\.db yet: start the server first/],
    [
      ["token", "list", "--data", "/nowhere"],
      /There is no folder \/nowhere: start the server first/,
    ],
    [["token", "create", "--data", "/nowhere"], /There is no folder \/nowhere/],
    [["token", "list", "--name", "x"], /parley token list takes no --name/],
    [["token", "revoke", "a", "b"], /Unexpected "b"/],
    [["--lsten", "h:1"], /Unknown option '--lsten': did you mean --listen\?/],
    [["--data", "/dev/null/parley"], /Cannot create the data folder \/dev\/null\/parley/],
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
  const env = {
    PARLEY_DATA: folder,
    PARLEY_TOKENS: "alice=s3cret-token",
    PARLEY_DATABASE_URL: "libsql://db.example",
    PARLEY_DATABASE_TOKEN: "s3cret-database",
    PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
    PARLEY_AI_PROVIDER_0_API_KEY: "s3cret-key",
    PARLEY_AI_PROVIDER_0_BASE_URL: "http://user:s3cret-url@llm.example/v1",
  };
  const { code, stdout, stderr } = await runParley({
    args: ["config", "--config", file, "--log-level", "warn"],
    env,
  });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  for (const secret of secrets) assert(!stdout.includes(secret), `${secret} is shown`);
  for (
    const line of [
      '"log_level": "warn", // --log-level',
      '"tokens": "${PARLEY_TOKENS}", // a secret',
      '"database_url": "libsql://db.example", // PARLEY_DATABASE_URL',
      '"api_key": "${PARLEY_AI_PROVIDER_0_API_KEY}", // a secret',
      '"base_url": "${PARLEY_AI_PROVIDER_0_BASE_URL}" // http://llm.example/v1 with a secret',
    ]
  ) assertStringIncludes(stdout, line);
  assertMatch(stdout, /"type": "openai", \/\/ .*parley\.jsonc, line 1$/m);

  // It can be pasted back.
  await Deno.writeTextFile(file, stdout);
  const again = await runParley({ args: ["config", "--config", file], env });
  assertEquals([again.code, again.stdout], [2, ""]);
  assertMatch(
    again.stderr,
    /^parley: Missing providers\.1\.api_key \(.*parley\.jsonc, line \d+\): /,
  );
  await Deno.writeTextFile(file, stdout.replace('// "api_key": ', ', "api_key": "a-key" //'));
  const mended = await runParley({ args: ["config", "--config", file], env });
  assertEquals([mended.code, mended.stderr], [0, ""]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a first start makes all that it needs and says how to use it", async () => {
  const parent = await tempDir();
  const dataDir = `${parent}/it's not/there/yet`;
  {
    await using server = await spawnParley({ dataDir, args: ["--listen", "0.0.0.0:0"] });
    const modes: Record<string, number> = { ".": Deno.statSync(dataDir).mode! & 0o777 };
    for (const { name } of Deno.readDirSync(dataDir)) {
      modes[name] = Deno.statSync(`${dataDir}/${name}`).mode! & 0o777;
    }
    assertEquals([modes["."], modes["token"], modes["parley.db"]], [0o700, 0o600, 0o600]);
    assertEquals(Object.values(modes).filter((mode) => (mode & 0o077) !== 0), []);

    await saysWhereDocsAre(server);
    // It works as it is pasted.
    const [, command] = /^Try it: (curl .*)$/m.exec(server.stderr) ?? [];
    assert(command, server.stderr);
    assertMatch(await bash(command), /^\{"models":\[\{"id":"demo"/);
    const [, docs] = /^The API reference: (.*)$/m.exec(server.stderr) ?? [];
    assertStringIncludes(await bash(`curl -sS ${docs}`), "<title>Parley");
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

Deno.test("a start advertises only a token that is valid", async () => {
  const dataDir = await tempDir();
  const path = `${dataDir}/token`;
  const said = async (env: Record<string, string> = {}, ...args: string[]) => {
    await using server = await spawnParley({ dataDir, env, args });
    await saysWhereDocsAre(server);
    return server.stderr;
  };
  assertStringIncludes(await said(), "Try it: curl");
  const secret = await Deno.readTextFile(path);
  const refuses = async (why: RegExp, env?: Record<string, string>) => {
    const before = await Deno.readTextFile(path).catch(() => undefined);
    const stderr = await said(env);
    assertMatch(stderr, why);
    assert(!/Try it|Coder-Session-Token/.test(stderr), stderr);
    assertMatch(stderr, /To make a token: parley token create --data \/\S+\n/);
    // It may be the only copy.
    assertEquals(await Deno.readTextFile(path).catch(() => undefined), before);
  };

  await Deno.writeTextFile(path, "another");
  await refuses(/The token in .*\/token is not valid here/);
  await Deno.remove(path);
  await refuses(/^To make a token: /m);
  await Deno.writeTextFile(path, secret);
  assertStringIncludes(await said(), "Try it: curl");
  await refuses(/is not valid here/, { PARLEY_DATABASE_URL: `file:${dataDir}/other.db` });
  const revoked = await runParley({ args: ["token", "revoke", "first", "--data", dataDir] });
  assertEquals(revoked.stdout, 'Revoked the token "first" of local.\n');
  await refuses(/is not valid here/);

  // Somebody else's tokens are not advertised, and JSON is nothing but JSON.
  const json = await said(TOKENS, "--log-format", "json");
  const lines = json.trim().split("\n").map((line) => JSON.parse(line).message);
  assert(lines.some((line) => /^The API reference: http:.*\/docs$/.test(line)), json);
  assert(!json.includes("Try it"), json);
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("it listens on a Unix socket, also where a killed process left its file", async () => {
  const dataDir = await tempDir();
  const socket = `${dataDir}/parley.sock`;
  const options = { dataDir, args: ["--listen", `unix:${socket}`], env: TOKENS };
  for (const end of ["SIGKILL", "SIGTERM"] as const) {
    await using server = await spawnParley(options);
    assertEquals(server.url, `unix:${socket}`);
    assertEquals(Deno.statSync(socket).mode! & 0o077, 0);
    const me = await bash(
      `curl -sS --unix-socket ${socket} -H "Coder-Session-Token: alice-secret" http://parley/api/v2/users/me`,
    );
    assertEquals(JSON.parse(me).username, "alice");
    server.signal(end);
    await server.exit;
  }
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("what a start on a Unix socket says to try works", async () => {
  const dataDir = await tempDir();
  const args = ["--listen", `unix:${dataDir}/parley.sock`];
  await using server = await spawnParley({ dataDir, args });
  const command = await eventually(
    "it says what to try",
    () => Promise.resolve(/^Try it: (curl .*)\n/m.exec(server.stderr)?.[1]),
  );
  assertMatch(await bash(command), /^\{"models":\[\{"id":"demo"/);
  assert(!server.stderr.includes("/docs"), server.stderr);
  await server[Symbol.asyncDispose]();
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("a Unix socket that somebody listens on is left to him; ours is gone at the end", async () => {
  const [dataDir, otherDir] = [await tempDir(), await tempDir()];
  const socket = `${dataDir}/parley.sock`;
  const listen = ["--listen", `unix:${socket}`];
  {
    await using server = await spawnParley({ dataDir, args: listen, env: TOKENS });
    const refused = await runParley({
      args: ["serve", "--data", otherDir, ...listen],
      env: TOKENS,
    });
    assertRefused(refused, /Cannot listen on unix:\S+: Another program listens on it/);
    assertEquals(await bash(`curl -sS --unix-socket ${socket} http://parley/healthz`), "OK");
    server.signal("SIGTERM");
    assertEquals(await server.exit, 0);
  }
  assertEquals([...Deno.readDirSync(dataDir)].filter(({ name }) => name === "parley.sock"), []);
  for (const folder of [dataDir, otherDir]) await Deno.remove(folder, { recursive: true });
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

Deno.test("each signal ends it at once with exit code 0, from its first line on", async (t) => {
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
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
