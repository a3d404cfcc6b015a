/** P12 and P3 where the storage fails under live runs: a typed end, and nothing lost for good. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Client, clientOf, eventually } from "../e2e/client.ts";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { gate, type ScriptedProvider, startProvider } from "../kit/provider/provider.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";
import { FAULTS, LoopDisk } from "./faults.ts";
import { copyData, Stored } from "./stored.ts";
import { assertKept, saidBy, wholeParts, Witness } from "./witness.ts";

/** How many runs are live when it happens. */
const LIVE = 3;

const BEGINNING = "The beginning";
const ALL = `${BEGINNING} and the end.`;

function settings(provider: ScriptedProvider): Record<string, string> {
  return {
    PARLEY_TOKENS: "alice=alice-secret",
    PARLEY_LOG_FORMAT: "json",
    ...providerEnv(provider),
  };
}

/** A provider that says the rest of its answers when `more` is opened. */
async function startTeller() {
  const more = gate();
  const provider = await startProvider({
    script: {
      steps: [{ text: BEGINNING }, { wait: more }, { text: " and" }, { text: " the end." }],
    },
  });
  return { provider, more };
}

interface Talk {
  chat: string;
  witness: Witness;
}

/** Chats of which each has begun to be answered. */
function beginTalks(client: Client, count: number): Promise<Talk[]> {
  return Promise.all(Array.from({ length: count }, async () => {
    const chat = await client.newChat({ title: "A chat" });
    const witness = new Witness(await client.send(chat, "Hello", MODELS.compatible));
    await witness.piece(BEGINNING);
    return { chat, witness };
  }));
}

/** Every client is told, in the stream, that its answer could not be stored; the log says why. */
async function assertTypedEnds(talks: Talk[], server: ParleyProcess, reason: RegExp) {
  for (const { witness } of talks) {
    assertEquals(await witness.over, "ended");
    const { parts } = witness;
    assertEquals(parts.slice(-2).map(({ code }) => code), ["3", "d"]);
    assertMatch(parts.at(-2)?.value, /could not store the answer/);
    assertEquals(saidBy(parts).end, "error");
  }
  for (const { witness } of talks) {
    // The log is written beside the answers, so its lines may come after them.
    const line = await eventually("the log says why", () => {
      return Promise.resolve(
        linesOf(server).find((line) => (
          line["run"] === witness.runId && line["level"] === "error"
        )),
      );
    });
    assertEquals(line["message"], "a run's log cannot be stored");
    assertMatch(String(line["reason"]), reason);
  }
}

/** The whole lines of the log so far. */
function linesOf({ stderr }: ParleyProcess): Record<string, unknown>[] {
  return stderr.split("\n").slice(0, -1).map((line) => JSON.parse(line));
}

/** Sends a message that waits until the chat is free, so that its answer says that it is. */
async function sendNext(client: Client, chat: string): Promise<Witness> {
  const message = { role: "user", content: "And now?" };
  const body = { message, model: MODELS.compatible, busy: "queue" };
  const response = await client.ask("POST", `/api/v2/chats/${chat}/messages`, body);
  assertEquals(response.status, 200, response.status === 200 ? "" : await response.text());
  const witness = new Witness(response);
  assertEquals(await witness.over, "ended");
  assertEquals(saidBy(witness.parts).end, "stop");
  return witness;
}

for (const fault of FAULTS) {
  Deno.test({
    name: `live runs over ${fault.name}`,
    ignore: fault.ignore,
    async fn() {
      const dataDir = await Deno.makeTempDir({ prefix: "parley-fault-" });
      {
        const { provider, more } = await startTeller();
        await using _provider = provider;
        const command = fault.command(dataDir);
        await using server = await spawnParley({ dataDir, command, env: settings(provider) });
        const client = clientOf(server.url, "alice-secret");
        const talks = await beginTalks(client, LIVE);
        const other = await client.newChat({ title: "Another" });

        const mend = await fault.begin(server);
        more.open();
        await assertTypedEnds(talks, server, fault.reason);
        const refused = await client.send(other, "Hello", MODELS.compatible);
        assertEquals(refused.status, fault.status);
        assertEquals(Object.keys(await refused.json()).sort(), ["detail", "message"]);
        assertEquals((await client.history(other)).length, 0);
        await mend();

        for (const { chat, witness } of talks) {
          await sendNext(client, chat);
          const [prompt, answer, next, last, ...others] = await client.history(chat);
          assertEquals([prompt?.content, next?.content, last?.content], ["Hello", "And now?", ALL]);
          assertEquals(others, []);
          await assertStoredLate(client, { chat, witness }, answer!.content);
        }
        await checkStored(server, talks);
      }
      await Deno.remove(dataDir, { recursive: true });
    },
  });
}

async function checkStored({ pid, dataDir }: ParleyProcess, talks: Talk[]): Promise<void> {
  const copy = await Deno.makeTempDir({ prefix: "parley-fault-" });
  // The data folder may be on a disk that only the server sees.
  copyData(`/proc/${pid}/root${dataDir}`, copy);
  {
    await using stored = await Stored.open(copy);
    await stored.checkIntegrity();
    assertEquals([await stored.liveRuns(), await stored.openAttempts()], [0, []]);
    const messages = await stored.messages();
    for (const { witness } of talks) {
      assertEquals(await stored.stateOf(witness.runId), "failed");
      const id = saidBy(witness.parts).messageId!;
      assertKept(witness.parts, messages.get(id)?.[0], { whole: false });
    }
  }
  await Deno.remove(copy, { recursive: true });
}

/** What was stored late is in history, and the run can be read again to its typed end. */
async function assertStoredLate(client: Client, { chat, witness }: Talk, content: string) {
  assert(content.startsWith(BEGINNING) && ALL.startsWith(content), content);
  const path = `/api/v2/chats/${chat}/stream?run=${witness.runId}`;
  const again = wholeParts(await (await client.ask("GET", path)).bytes());
  assertEquals(saidBy(again).text, content);
  assertEquals(again.slice(-2).map(({ code }) => code), ["3", "d"]);
}

Deno.test({
  name: "live runs over a disk that turns read-only, and a new process on it once it is mended",
  ignore: !LoopDisk.possible,
  async fn() {
    await using disk = await LoopDisk.create();
    const { provider, more } = await startTeller();
    await using _provider = provider;
    const { command, dataDir } = disk;
    let talks: Talk[];
    {
      await using server = await spawnParley({ command, dataDir, env: settings(provider) });
      const client = clientOf(server.url, "alice-secret");
      talks = await beginTalks(client, LIVE);
      await disk.abort(server);
      more.open();
      await assertTypedEnds(talks, server, /The database (failed|cannot be written)/);
      assertEquals((await client.history(talks[0]!.chat)).map(({ content }) => content), ["Hello"]);
      const refused = await client.send(talks[0]!.chat, "Hello again", MODELS.compatible);
      assert(refused.status >= 400, String(refused.status));
      await refused.body?.cancel();
    }
    await using server = await spawnParley({ command, dataDir, env: settings(provider) });
    const client = clientOf(server.url, "alice-secret");
    for (const { chat } of talks) {
      await sendNext(client, chat);
      const history = await client.history(chat);
      // Tokens of the last seconds may be gone with what the disk did not take.
      const said = history.map(({ content }) => content).filter((text) => text !== BEGINNING);
      assertEquals(said, ["Hello", "And now?", ALL]);
    }
  },
});
