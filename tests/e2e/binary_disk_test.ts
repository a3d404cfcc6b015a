/** What Parley says and keeps where its files are damaged, or its disk is full or read-only. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { partsOf, StreamReader } from "../kit/data_stream.ts";
import { runParley, spawnParley } from "../kit/process.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { providerEnv } from "../kit/scripted.ts";
import { clientOf, eventually, statusOf } from "./client.ts";
import { CAN_MOUNT, withMount } from "./mounts.ts";

const TOKENS = { PARLEY_TOKENS: "alice=alice-secret" };

/** What `parley serve` says where it cannot: one line, and a code that is not 0. */
async function refusal(
  dataDir: string,
  options: { command?: string[]; env?: Record<string, string> } = {},
): Promise<string> {
  const args = ["serve", "--data", dataDir, "--listen", "127.0.0.1:0"];
  const { code, stdout, stderr } = await runParley({
    args,
    ...options,
    env: { ...TOKENS, ...options.env },
  });
  assertMatch(stderr, /^parley: [^\n]+\n$/);
  assertEquals({ code, stdout }, { code: 2, stdout: "" });
  return stderr;
}

async function withDataDir(use: (dataDir: string) => Promise<void>): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-e2e-" });
  try {
    await use(dataDir);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
}

Deno.test("a second server on a data folder is refused, until the first is gone", () =>
  withDataDir(async (dataDir) => {
    for (const end of ["SIGTERM", "SIGKILL"] as const) {
      await using server = await spawnParley({ dataDir, env: TOKENS });
      assertMatch(await refusal(dataDir), /Another Parley is running on the database/);
      const alice = clientOf(server.url, "alice-secret");
      assertEquals(await statusOf(alice.ask("GET", "/api/v2/chats")), 200);
      server.signal(end);
      await server.exit;
    }
    await using _server = await spawnParley({ dataDir, env: TOKENS });
  }));

Deno.test("a damaged database is told in one line and left as it is", () =>
  withDataDir(async (dataDir) => {
    const path = `${dataDir}/parley.db`;
    const damaged = crypto.getRandomValues(new Uint8Array(16_384));
    await Deno.writeFile(path, damaged);
    assertMatch(await refusal(dataDir), /parley\.db is damaged or is no database/);
    assertEquals(await Deno.readFile(path), damaged);
  }));

Deno.test("a database whose pages are damaged is told in one line", () =>
  withDataDir(async (dataDir) => {
    {
      await using server = await spawnParley({ dataDir, env: TOKENS });
      const alice = clientOf(server.url, "alice-secret");
      for (let n = 0; n < 20; n++) await alice.newChat({ title: `Chat ${n}` });
      server.signal("SIGTERM");
      await server.exit;
    }
    const path = `${dataDir}/parley.db`;
    using file = await Deno.open(path, { write: true });
    // Behind the header of 100 bytes stands the schema.
    await file.seek(100, Deno.SeekMode.Start);
    await file.write(new Uint8Array(4_096).fill(0xab));
    for (const name of ["parley.db-wal", "parley.db-shm"]) {
      await Deno.remove(`${dataDir}/${name}`).catch(() => {});
    }
    assertMatch(await refusal(dataDir), /parley\.db is damaged or is no database/);
  }));

Deno.test({
  name: "a data folder that is read-only is told in one line",
  ignore: !CAN_MOUNT,
  fn: () =>
    withDataDir(async (dataDir) => {
      const readOnly = () => withMount({ folder: dataDir, options: "bind,ro" });
      assertMatch(await refusal(dataDir, { command: readOnly() }), /read-only/);
      await (await spawnParley({ dataDir, env: TOKENS }))[Symbol.asyncDispose]();
      assertMatch(await refusal(dataDir, { command: readOnly() }), /read-only/);
    }),
});

for (const options of ["ro", "noexec", "size=2m"]) {
  Deno.test({
    name: `with a TMPDIR that is mounted ${options} the binary unpacks into its data folder`,
    // The source unpacks nothing.
    ignore: !CAN_MOUNT || !Deno.env.get("PARLEY_BIN"),
    fn: () =>
      withDataDir(async (folder) => {
        for (const name of ["tmp", "data"]) await Deno.mkdir(`${folder}/${name}`);
        const command = withMount({ folder: `${folder}/tmp`, options });
        const env = { ...TOKENS, TMPDIR: `${folder}/tmp` };
        const unpacked = () =>
          [...Deno.readDirSync(`${folder}/data`)].filter(({ name }) => name.endsWith(".node"));
        for (let start = 0; start < 2; start++) {
          await using server = await spawnParley({ dataDir: `${folder}/data`, command, env });
          const alice = clientOf(server.url, "alice-secret");
          assertEquals(await statusOf(alice.ask("GET", "/api/v2/chats")), 200);
          server.signal("SIGTERM");
          assertEquals(await server.exit, 0);
        }
        assertEquals(unpacked().length, 1);
      }),
  });
}

Deno.test({
  name: "without any folder to unpack into, the binary says so in one line",
  ignore: !CAN_MOUNT || !Deno.env.get("PARLEY_BIN"),
  fn: () =>
    withDataDir(async (folder) => {
      const command = withMount({ folder, options: "noexec" });
      const env = { TMPDIR: folder };
      assertMatch(await refusal(folder, { command, env }), /set TMPDIR to a folder that/);
      const version = await runParley({ args: ["--version"], command, env });
      assertEquals(version.code, 0, "what needs no database works");
    }),
});

/** Takes all the room that is left, as seen by that process; the result gives it back. */
function fillDisk(pid: number, folder: string): () => void {
  const path = `/proc/${pid}/root${folder}/filler`;
  const file = Deno.openSync(path, { write: true, create: true });
  const block = new Uint8Array(4_096);
  try {
    for (;;) file.writeSync(block);
  } catch (error) {
    assertMatch(String(error), /No space left/);
  } finally {
    file.close();
  }
  return () => Deno.removeSync(path);
}

Deno.test({
  name: "a full disk refuses with 507, keeps what was acknowledged, and is over when there is room",
  ignore: !CAN_MOUNT,
  fn: () =>
    withDataDir(async (dataDir) => {
      await using provider = await startProvider({
        script: { steps: [{ text: "Hello, Alice." }] },
      });
      await using server = await spawnParley({
        dataDir,
        command: withMount({ folder: dataDir, options: "size=760k,mode=0700" }),
        env: { ...TOKENS, ...providerEnv(provider) },
      });
      const alice = clientOf(server.url, "alice-secret");
      const chat = await alice.newChat({ title: "A chat" });
      await (await alice.send(chat, "Hello", "scripted")).text();
      const before = await alice.history(chat);
      assertEquals(before.map(({ content }) => content), ["Hello", "Hello, Alice."]);

      const makeRoom = fillDisk(server.pid, dataDir);
      const refusals = [
        await alice.send(chat, "Are you there?", "scripted"),
        await alice.ask("POST", "/api/v2/chats"),
        await alice.ask("PATCH", `/api/v2/chats/${chat}`, { title: "Another title" }),
      ];
      for (const refused of refusals) {
        assertEquals(refused.status, 507);
        const body = await refused.json();
        assertEquals(body.message, "The disk of the database is full");
        assertEquals(Object.keys(body).sort(), ["detail", "message"]);
      }
      assertEquals(provider.requests.length, 1, "nothing is paid for that cannot be kept");
      assertEquals(await alice.history(chat), before);
      assertEquals(await alice.title(chat), "A chat");
      assertEquals(await statusOf(alice.ask("GET", "/healthz")), 200);

      makeRoom();
      await (await alice.send(chat, "And now?", "scripted")).text();
      const after = await alice.history(chat);
      assertEquals(after.slice(0, 2), before);
      assertEquals(after.slice(2).map(({ content }) => content), ["And now?", "Hello, Alice."]);
    }),
});

Deno.test({
  name: "a disk that fills up in an answer ends it with an error part and keeps its beginning",
  ignore: !CAN_MOUNT,
  fn: () =>
    withDataDir(async (dataDir) => {
      const more = gate();
      await using provider = await startProvider({
        script: { steps: [{ text: "The beginning" }, { wait: more }, { text: " and the end." }] },
      });
      await using server = await spawnParley({
        dataDir,
        command: withMount({ folder: dataDir, options: "size=760k,mode=0700" }),
        env: { ...TOKENS, ...providerEnv(provider) },
      });
      const alice = clientOf(server.url, "alice-secret");
      const chat = await alice.newChat({ title: "A chat" });
      const stream = new StreamReader(await alice.send(chat, "Hello", "scripted"));
      await stream.until("The beginning");
      const makeRoom = fillDisk(server.pid, dataDir);
      more.open();
      const codes = partsOf(await stream.rest()).map(({ code }) => code);
      assertEquals(codes, ["f", "0", "3", "d"]);

      makeRoom();
      const answer = await eventually("what it had of the answer is in the history", async () => {
        const [, answer] = await alice.history(chat);
        return answer;
      });
      assert(answer.content.startsWith("The beginning"), answer.content);
      assert("The beginning and the end.".startsWith(answer.content), answer.content);
      assertEquals(await statusOf(alice.send(chat, "Go on", "scripted")), 200);
    }),
});
