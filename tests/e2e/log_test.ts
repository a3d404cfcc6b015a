/** The log never fails, never blocks, and has the form that was asked for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parleyCommand, runParley, spawnParley } from "../kit/process.ts";
import { clientOf, eventually, statusOf } from "./client.ts";

const TOKENS = { PARLEY_TOKENS: "alice=alice-secret" };

/** Enough lines to fill every pipe. */
const REQUESTS = 1_000;

/** Parley with its output going elsewhere. */
const redirected = (to: string) => ["bash", "-c", `exec "$@" ${to}`, "bash", ...parleyCommand()];

const NOWHERE: [name: string, to: string][] = [
  ["a full disk", "2>/dev/full"],
  ["a pipe that nobody holds", "2> >(exec true)"],
  ["a pipe that nobody reads", "2> >(exec sleep 20 >/dev/null 2>&1)"],
  ["nothing at all", "2>&-"],
];

for (const [name, to] of NOWHERE) {
  Deno.test(`Parley serves and ends though its log goes to ${name}`, async () => {
    await using server = await spawnParley({ command: redirected(to), env: TOKENS });
    const alice = clientOf(server.url, "alice-secret");
    for (let n = 0; n < REQUESTS; n += 10) {
      const asked = Array.from({ length: 10 }, () => statusOf(alice.ask("GET", "/api/v2/chats")));
      assertEquals(new Set(await Promise.all(asked)), new Set([200]));
    }
    assertEquals(await statusOf(alice.ask("GET", "/healthz")), 200);
    server.signal("SIGTERM");
    const before = performance.now();
    assertEquals(await server.exit, 0);
    assert(performance.now() - before < 3_000, "it took too long");
  });
}

Deno.test("Parley serves though nobody takes what it prints", async () => {
  const folder = await Deno.makeTempDir();
  for (const to of [">&-", ">/dev/full", "> >(exec true)"]) {
    const [program = "", ...command] = redirected(`${to} 2>/dev/null`);
    const child = new Deno.Command(program, {
      args: [...command, "serve", "--data", folder, "--listen", `unix:${folder}/socket`],
      env: TOKENS,
      stdin: "null",
    }).spawn();
    const client = Deno.createHttpClient({
      proxy: { transport: "unix", path: `${folder}/socket` },
    });
    const status = await eventually("it answers", async () => {
      try {
        return await statusOf(fetch("http://localhost/healthz", { client }));
      } catch {
        return undefined;
      }
    });
    assertEquals(status, 200);
    child.kill("SIGTERM");
    assertEquals((await child.status).code, 0);
    client.close();
  }
  await Deno.remove(folder, { recursive: true });
});

/** The lines of a log, each of which must be JSON. */
function jsonLines(stderr: string): Record<string, unknown>[] {
  return stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("a log in JSON has nothing else, from the first line to the last", async () => {
  const folder = await Deno.makeTempDir();
  const env = { PARLEY_LOG_FORMAT: "json" };
  await using server = await spawnParley({ dataDir: folder, env });
  const token = (await Deno.readTextFile(`${folder}/token`)).trim();
  await statusOf(clientOf(server.url, token).ask("GET", "/api/v2/chats"));
  await statusOf(fetch(`${server.url}/healthz`));
  const args = ["serve", "--data", folder, "--listen", "127.0.0.1:0"];
  const second = await runParley({ args, env });
  assertEquals(second.code, 2);
  const [refusal, ...others] = jsonLines(second.stderr);
  assertEquals([others, refusal?.["level"]], [[], "error"]);
  assertMatch(String(refusal?.["message"]), /Another Parley is running/);
  server.signal("SIGTERM");
  assertEquals(await server.exit, 0);
  const lines = jsonLines(server.stderr);
  const start = lines.find(({ message }) => message === "Parley starts");
  assertMatch(String(start?.["version"]), /^\d+\.\d+\.\d+$/);
  assertEquals([start?.["database"], start?.["providers"], start?.["listen"]], [
    `file:${folder}/parley.db`,
    "demo",
    server.url,
  ]);
  const paths = lines.filter(({ message }) => message === "request").map(({ path }) => path);
  assertEquals(paths, ["/api/v2/chats"]);
  assertMatch(String(lines.at(-1)?.["message"]), /shutting down/);
  await Deno.remove(folder, { recursive: true });
});
