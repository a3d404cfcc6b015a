/** On a disk that is full, chats and queued messages can be deleted, and what they had is free again. */
import { assert, assertEquals } from "@std/assert";
import { type Client, clientOf, eventually, statusOf } from "../e2e/client.ts";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { fillDisk, LoopDisk } from "./faults.ts";

const ENV = { PARLEY_TOKENS: "alice=alice-secret", PARLEY_LOG_FORMAT: "json" };

/** The size of the reserve on the disk that only the server sees; 0 if there is none. */
function reserveOf({ pid, dataDir }: ParleyProcess): number {
  try {
    return Deno.statSync(`/proc/${pid}/root${dataDir}/parley.db.reserve`).size;
  } catch {
    return 0;
  }
}

/** Uploads a file of that many bytes; gives the status. */
async function upload({ url }: ParleyProcess, chat: string, bytes: number): Promise<number> {
  return await statusOf(fetch(`${url}/api/v2/chats/${chat}/files`, {
    method: "POST",
    headers: { "coder-session-token": "alice-secret", "content-type": "text/plain" },
    body: new Uint8Array(bytes).fill(120),
  }));
}

/** A chat with a file of 100 kB. */
async function chatWithFile(server: ParleyProcess, client: Client): Promise<string> {
  const chat = await client.newChat({ title: "A chat" });
  assertEquals(await upload(server, chat, 100_000), 201);
  return chat;
}

/** Asks for what can no longer be stored, down to the smallest. */
async function assertFull(server: ParleyProcess, client: Client, chat: string): Promise<void> {
  assertEquals(await upload(server, chat, 7_000_000), 507);
  const rename = () => client.ask("PATCH", `/api/v2/chats/${chat}`, { title: "New" });
  let status = 200;
  for (let n = 0; status === 200 && n < 500; n++) status = await statusOf(rename());
  assertEquals(status, 507);
  const ready = await client.ask("GET", "/readyz");
  assertEquals([ready.status, (await ready.json()).message], [
    503,
    "The disk of the database is full",
  ]);
}

for (const stored of [0, 5_000_000]) {
  Deno.test({
    name:
      `on a full disk with ${stored} bytes of files chats are deleted, and what is free is used again`,
    ignore: !LoopDisk.possible,
    async fn() {
      await using disk = await LoopDisk.create();
      const { command, dataDir } = disk;
      await using server = await spawnParley({ command, dataDir, env: ENV });
      const client = clientOf(server.url, "alice-secret");
      assertEquals(reserveOf(server), 1024 * 1024);
      const large = await client.newChat({ title: "A large chat" });
      if (stored > 0) assertEquals(await upload(server, large, stored), 201);
      const chats: string[] = [];
      for (let n = 0; n < 12; n++) chats.push(await chatWithFile(server, client));
      chats.unshift(large);

      const free = await fillDisk(server);
      await assertFull(server, client, chats[0]!);
      for (const chat of chats.slice(0, 9)) {
        assertEquals(await statusOf(client.ask("DELETE", `/api/v2/chats/${chat}`)), 204);
        assertEquals(await statusOf(client.ask("GET", `/api/v2/chats/${chat}`)), 404);
      }
      assert(reserveOf(server) > 0, "there is a reserve for the next time");
      assert(reserveOf(server) < 1024 * 1024, "it was given back, and is as large as it can be");

      await free();
      for (const chat of chats.slice(9, 11)) {
        assertEquals(await statusOf(client.ask("DELETE", `/api/v2/chats/${chat}`)), 204);
      }
      await eventually("Parley is ready", async () => (
        await statusOf(client.ask("GET", "/readyz")) === 200 ? true : undefined
      ));
      for (const chat of chats.slice(11)) {
        const sent = await client.send(chat, "Hello");
        assertEquals(sent.status, 200);
        await sent.text();
        assertEquals((await client.history(chat)).length, 2);
      }
    },
  });
}

Deno.test({
  name: "a reserve that was given back is whole again after a start with enough space",
  ignore: !LoopDisk.possible,
  async fn() {
    await using disk = await LoopDisk.create();
    const { command, dataDir } = disk;
    {
      await using server = await spawnParley({ command, dataDir, env: ENV });
      const client = clientOf(server.url, "alice-secret");
      const chat = await chatWithFile(server, client);
      const free = await fillDisk(server);
      await assertFull(server, client, chat);
      assertEquals(await statusOf(client.ask("DELETE", `/api/v2/chats/${chat}`)), 204);
      await free();
      server.signal("SIGTERM");
      assertEquals(await server.exit, 0);
    }
    await using server = await spawnParley({ command, dataDir, env: ENV });
    assertEquals(reserveOf(server), 1024 * 1024);
    assertEquals(await statusOf(clientOf(server.url, "alice-secret").ask("GET", "/readyz")), 200);
  },
});
