/** The README is true: its commands run, its tables are those of the program. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cleanEnv, parleyCommand, spawnParley } from "../kit/process.ts";
import { clientOf, eventually, statusOf } from "./client.ts";
import { CAN_MOUNT, withReadOnlyRoot } from "./mounts.ts";
import { type Block, blocksOf, README, tableBelow } from "./readme.ts";
import { settingsRows } from "./settings_table.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const readme = await Deno.readTextFile(README);
const blocks = blocksOf(readme);

/** Runs until it is ended: tried on its own, below. */
const SERVES = "npx -y deno@2.9.6 task dev";

/** `.ci/run` runs these, as they stand: the one would run this test in itself, the other takes a base. */
const RUN_BY_CI = ["npx -y deno@2.9.6 task test", "deno task compile"];

/** Programs that a test cannot have; they take the README's arguments and look at its files. */
const STAND_INS = {
  systemctl: `case "$*" in
  "--user daemon-reload" | "--user enable --now parley") test -f ~/.config/systemd/user/parley.service ;;
  *) echo "systemctl $*?" >&2; exit 1 ;;
esac`,
  loginctl: `test "$*" = enable-linger`,
  docker: `case "$*" in
  "build --tag parley .") test -f Dockerfile ;;
  "run --detach --restart unless-stopped --stop-timeout 40 --read-only --tmpfs /tmp:exec "*" parley")
    test -f parley.env ;;
  *) echo "docker $*?" >&2; exit 1 ;;
esac`,
};

function blockOf(language: string): Block {
  const found = blocks.filter((block) => block.language === language);
  assertEquals(found.length, 1, `blocks of ${language}`);
  return found[0]!;
}

interface Home extends AsyncDisposable {
  home: string;
  env: Record<string, string>;
}

/** A home of its own with the programs that the README takes for granted on its PATH. */
async function makeHome(): Promise<Home> {
  const home = await Deno.makeTempDir({ prefix: "parley-readme-" });
  const quoted = parleyCommand().map((word) => `'${word}'`).join(" ");
  const programs = { ...STAND_INS, parley: `exec ${quoted} "$@"` };
  await Deno.mkdir(`${home}/bin`);
  for (const [name, script] of Object.entries(programs)) {
    await Deno.writeTextFile(`${home}/bin/${name}`, `#!/usr/bin/env bash\n${script}\n`, {
      mode: 0o755,
    });
  }
  // An error status is a failure of the command.
  await Deno.writeTextFile(`${home}/.curlrc`, "silent\nshow-error\nfail-with-body\n");
  return {
    home,
    env: {
      HOME: home,
      XDG_DATA_HOME: "",
      PATH: `${home}/bin:${Deno.env.get("PATH")}`,
      XDG_RUNTIME_DIR: home,
      DENO_DIR: Deno.env.get("DENO_DIR") ??
        `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/deno`,
    },
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}

/** Runs a script there. Resolves to what it printed; fails where a command of it does. */
async function bash(script: string, { home, env }: Home): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euo", "pipefail", "-c", script],
    cwd: home,
    clearEnv: true,
    env: { ...cleanEnv(), ...env },
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, `${out}\n${err}`);
  return out!;
}

Deno.test("the table of settings is the program's; write it with tests/e2e/settings_table.ts", () =>
  assertEquals(
    tableBelow(readme, "## Configuration"),
    settingsRows().map((row) => row.map((cell) => cell.replaceAll("`", ""))),
  ));

Deno.test("the table of paths is that of the OpenAPI document", async () => {
  await using server = await spawnParley();
  const { paths } = await (await fetch(`${server.url}/openapi.json`)).json();
  const served = Object.entries<object>(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const listed = tableBelow(readme, "## The API").flatMap(([cell = "", methods = ""]) =>
    cell.split(", ").flatMap((path) => methods.split(", ").map((method) => `${method} ${path}`))
  );
  assertEquals(listed.sort(), served.sort());
});

Deno.test("the options of useChat are those that the test of the real client gives it", async () => {
  const page = await Deno.readTextFile(`${ROOT}tests/clients/ai-sdk-4/chat_page.js`);
  const options = blockOf("jsx").text.matchAll(/^ {2}(\w+):/gm).map(([, name]) => name!).toArray();
  assertStringIncludes(options.join(), "experimental_prepareRequestBody");
  for (const option of options) assertMatch(page, new RegExp(`\\b${option}:`));
});

Deno.test("what takes too long for a test of the README is run by .ci/run, word for word", async () => {
  const lines = blocks.filter(({ language }) => language === "sh").map(({ text }) => text.trim());
  const steps = (await Deno.readTextFile(`${ROOT}.ci/run`)).split("\n").map((line) => line.trim());
  for (const line of RUN_BY_CI) {
    assert(lines.includes(line), `${line}: not in the README`);
    assert(steps.includes(line), `${line}: not in .ci/run`);
  }
});

Deno.test({
  name: "the first command serves, with a token and the demo model",
  ignore: !await Deno.stat("/usr/bin/setsid").catch(() => undefined),
  fn: async () => {
    assertEquals(blocks[0]!.text.trim(), SERVES);
    await using world = await makeHome();
    const dataDir = `${world.home}/data`;
    // Its own session, so that all that it starts can be ended with it.
    const child = new Deno.Command("setsid", {
      args: ["bash", "-c", SERVES],
      cwd: ROOT,
      clearEnv: true,
      env: { ...cleanEnv(), PARLEY_DATA: dataDir, PARLEY_LISTEN: "127.0.0.1:0" },
      stdout: "piped",
      stderr: "null",
    }).spawn();
    let said = "";
    let url: string | undefined;
    // To its end, which comes when all that was started has ended.
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += chunk;
      if (url) continue;
      url = /Parley listens on (\S+)\n/.exec(said)?.[1];
      if (!url) continue;
      try {
        const token = (await Deno.readTextFile(`${dataDir}/token`)).trim();
        const models = await clientOf(url, token).ask("GET", "/api/v2/deployment/llms");
        assertEquals((await models.json()).models.map(({ id }: { id: string }) => id), ["demo"]);
      } finally {
        // As Ctrl-C does: at SIGTERM the watcher would wait for a change.
        await new Deno.Command("kill", { args: ["-INT", "--", `-${child.pid}`] }).output();
      }
    }
    assert(url, said);
    await child.status;
  },
});

/** Writes the files whose blocks say in a comment where they belong. */
async function writeFiles({ home }: Home): Promise<void> {
  for (const { text } of blocks) {
    const [, name] = /^(?:#|\/\/) ([~\w./-]+)\n/.exec(text) ?? [];
    if (!name) continue;
    const path = name.startsWith("~/") ? home + name.slice(1) : `${home}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
  }
}

/** The server that the systemd unit of the README starts. */
async function startUnit({ home }: Home) {
  const unit = blockOf("ini").text
    .replaceAll("%t", home).replaceAll("%C", `${home}/.cache`).replaceAll("%h", home);
  const [, args] = /^ExecStart=\S+\/\.local\/bin\/parley (.*)$/m.exec(unit) ?? [];
  const [, cache] = /^CacheDirectory=(.*)$/m.exec(unit) ?? [];
  const [, name, value] = /^Environment=(\w+)=(.*)$/m.exec(unit) ?? [];
  assert(args && cache && name && value);
  assert(args.startsWith("serve "));
  await Deno.mkdir(`${home}/.cache/${cache}`, { recursive: true });
  return spawnParley({ args: args.split(" ").slice(1), env: { [name]: value } });
}

Deno.test("every other command runs, in the order of the README", async (t) => {
  await using home = await makeHome();
  await writeFiles(home);
  await using server = await spawnParley({ dataDir: `${home.home}/.local/share/parley` });
  await using _unit = await startUnit(home);
  const scripts = blocks.filter(({ language, text }) =>
    language === "sh" && text.trim() !== SERVES && !RUN_BY_CI.includes(text.trim())
  );
  assert(scripts.length > 10, `${scripts.length} blocks`);
  const script = scripts.map(({ text, line }) => `echo; echo "README.md:${line}"\n${text}`).join(
    "",
  );
  const printed = await bash(script.replaceAll("127.0.0.1:4320", new URL(server.url).host), home);

  await t.step("the answer streams, and history and title are there", () => {
    assertMatch(printed, /^f:\{"messageId":"[^"]+"\}$/m);
    assertMatch(printed, /^d:\{"finishReason":"stop","usage":\{"promptTokens":\d+,/m);
    assertMatch(printed, /"role":"user".*"content":"What is a monad\?".*"role":"assistant"/);
    assertMatch(printed, /"title":"What is a monad\?"\}/);
  });
  await t.step("pages, names, models and health are as it says", () => {
    assertMatch(printed, /^link: <\/api\/v2\/chats\?limit=1&cursor=[^>]+>; rel="next"\r$/im);
    assertMatch(printed, /"title":"Monads"\}/);
    assertMatch(printed, /"models":\[\{"id":"demo"/);
    assertEquals(printed.match(/(?<!200 )OK/g)?.length, 3);
  });
  await t.step("the configuration that it shows is in force", () => {
    assertStringIncludes(printed, '"base_url": "http://127.0.0.1:11434/v1"');
    assertMatch(printed, /"name": "local"[^}]*\["qwen3","llama3.2"\]/);
  });
  await t.step("tokens are made and revoked, and the chat is gone", async () => {
    assertMatch(printed, /^parley_[\w-]{43}$/m);
    assertStringIncludes(printed, 'Revoked the token "laptop" of alice.');
    const token = (await Deno.readTextFile(`${server.dataDir}/token`)).trim();
    const left = await (await clientOf(server.url, token).ask("GET", "/api/v2/chats")).json();
    assertEquals(left.map(({ title }: { title: string }) => title), ["Another chat"]);
  });
});

Deno.test("the script of the Coder template starts Parley, which asks the deployment", async () => {
  await using home = await makeHome();
  const coder = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => Response.json({ id: crypto.randomUUID(), username: "carol" }),
  );
  const [, script] = /<<-EOT\n([\s\S]*)^ *EOT$/m.exec(blockOf("hcl").text) ?? [];
  assert(script);
  const accessUrl = `http://127.0.0.1:${coder.addr.port}`;
  // As `coder_env` sets it.
  const env = {
    ...home.env,
    PARLEY_LISTEN: "127.0.0.1:0",
    ANTHROPIC_API_KEY: "sk-of-the-template",
  };
  const started = script.replace("${data.coder_workspace.me.access_url}", accessUrl)
    .replace("sleep 5", "sleep 0.1");
  // In its own process group, so that all of it can be ended.
  const pid = await bash(`set -m\n${started}\necho $!`, { ...home, env });
  const kill = (...args: string[]) => new Deno.Command("pkill", { args }).output();
  try {
    const log = () => Deno.readTextFile(`${home.home}/.local/share/parley/log`);
    for (let start = 0; start < 2; start++) {
      const url = await eventually(
        "Parley listens",
        async () => [...(await log()).matchAll(/Parley listens on (\S+)\n/g)][start]?.[1],
      );
      const me = await clientOf(url, "carol-session").ask("GET", "/api/v2/users/me");
      assertEquals((await me.json()).username, "carol");
      // Parley itself, not the loop that starts it.
      await kill("-KILL", "-P", pid.trim());
    }
  } finally {
    await new Deno.Command("kill", { args: ["-KILL", "--", `-${pid.trim()}`], stderr: "null" })
      .output();
    await coder.shutdown();
  }
});

Deno.test("the settings of the container are good, and its token is", async () => {
  const [, pairs] = /^ENV (.*)$/m.exec(blockOf("dockerfile").text) ?? [];
  const [, token] = /echo (PARLEY_TOKENS=\S+) > parley\.env/.exec(readme) ?? [];
  assert(pairs && token);
  const env = Object.fromEntries([...pairs.split(" "), token].map((pair) => pair.split(/=(.*)/)));
  assertEquals(env.PARLEY_LISTEN, "0.0.0.0:4320");
  // In a namespace of its own the port is free; here it may not be.
  await using server = await spawnParley({ env, args: ["--listen", "0.0.0.0:0"] });
  const alice = clientOf(server.url, "a-secret-of-alice");
  assertEquals(await statusOf(alice.ask("GET", "/api/v2/users/me")), 200);
});

Deno.test({
  name: "the container needs nothing but its data and /tmp to be written",
  ignore: !CAN_MOUNT,
  fn: async () => {
    await using server = await spawnParley({
      command: withReadOnlyRoot(),
      env: {
        PARLEY_DATA: "/mnt/data",
        TMPDIR: "/mnt/tmp",
        PARLEY_TOKENS: "alice=a-secret-of-alice",
      },
      args: ["--data", "/mnt/data"],
    });
    const alice = clientOf(server.url, "a-secret-of-alice");
    const chat = await alice.newChat({ title: "A chat" });
    await (await alice.send(chat, "Hello")).text();
    assertEquals((await alice.history(chat)).length, 2);
  },
});

Deno.test({
  name: "terraform finds the template well-formed",
  ignore: !await Deno.stat("/usr/local/bin/terraform").catch(() => undefined),
  fn: async () => {
    await using home = await makeHome();
    await Deno.writeTextFile(`${home.home}/main.tf`, blockOf("hcl").text);
    assertEquals(await bash("terraform fmt -check -diff main.tf", home), "");
  },
});

Deno.test({
  name: "systemd finds nothing wrong with the unit",
  ignore: !await Deno.stat("/usr/bin/systemd-analyze").catch(() => undefined),
  fn: async () => {
    await using home = await makeHome();
    await writeFiles(home);
    const unit = `${home.home}/.config/systemd/user/parley.service`;
    const program = `${home.home}/bin/parley`;
    const text = await Deno.readTextFile(unit);
    await Deno.writeTextFile(unit, text.replace("%h/.local/bin/parley", program));
    const { success, stderr } = await new Deno.Command("systemd-analyze", {
      args: ["verify", "--user", "--man=no", unit],
      env: home.env,
    }).output();
    const said = new TextDecoder().decode(stderr).split("\n");
    assertEquals(said.filter((line) => line.includes("parley.service")), []);
    assert(success, said.join("\n"));
  },
});
