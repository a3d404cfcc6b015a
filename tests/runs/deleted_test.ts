/** A chat that is deleted takes all of its own with it, and nothing of others. */
import { assert, assertEquals } from "@std/assert";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { TOKENS } from "../kit/parley.ts";
import { countOf, pass, type Random, seeded } from "../kit/random.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import { rowsOf } from "./many_kit.ts";

/** How many chats are deleted while they are sent to. */
const ROUNDS = countOf("PARLEY_DELETIONS", 60);

/** What is left of chats that are gone; the ledger stays, with nothing open in it. */
const LEFT = {
  messages: "SELECT 1 FROM messages WHERE chat_id NOT IN (SELECT id FROM chats)",
  runs: "SELECT 1 FROM runs WHERE chat_id NOT IN (SELECT id FROM chats)",
  queue: "SELECT 1 FROM queue WHERE chat_id NOT IN (SELECT id FROM chats)",
  sends: "SELECT 1 FROM sends WHERE chat_id NOT IN (SELECT id FROM chats)",
  files: "SELECT 1 FROM files WHERE chat_id NOT IN (SELECT id FROM chats)",
  file_pieces: "SELECT 1 FROM file_pieces WHERE id NOT IN (SELECT id FROM files)",
  events: "SELECT 1 FROM events WHERE run_id NOT IN (SELECT id FROM runs)",
  attempts: "SELECT 1 FROM attempts WHERE outcome = 'open'",
};

async function upload(
  { server }: Scripted,
  chat: string,
  body: BodyInit,
): Promise<{ url: string }> {
  const response = await fetch(`${server.url}/api/v2/chats/${chat}/files`, {
    method: "POST",
    headers: { "coder-session-token": TOKENS.alice },
    body,
  });
  return await response.json();
}

function withFile(url: string) {
  const parts = [
    { type: "text", text: "Look" },
    { type: "file", mediaType: "image/png", url },
  ];
  return { message: { role: "user", parts }, model: MODELS.anthropic };
}

/** Clients that use a chat while another deletes it, each at a moment of its own. */
async function race(scripted: Scripted, chat: string, random: Random): Promise<number[]> {
  const { server } = scripted;
  const path = `/api/v2/chats/${chat}`;
  const { url } = await upload(scripted, chat, `file of ${chat}`);
  const policy = () => random.pick(["reject", "queue", "interrupt"]);
  const deeds: (() => Promise<Response>)[] = [
    () => server.ask("DELETE", path),
    () => scripted.send(chat, "Hello", { busy: policy() }),
    () => scripted.send(chat, "Keyed", { busy: policy() }, { "idempotency-key": "k" }),
    () => scripted.send(chat, "", { ...withFile(url), busy: policy() }),
    () => server.ask("POST", `${path}/files`, { body: "more" }),
    () => server.ask("POST", `${path}/fork`, { body: {} }),
    () => server.ask("POST", `${path}/stop`),
  ];
  const before = random.chance(0.5);
  if (before) await (await scripted.send(chat, "Before")).text();
  return await Promise.all(deeds.map(async (deed, place) => {
    // The deletion is on its way before the others, among them, or behind them.
    if (random.chance(0.7)) await pass(random.below(place === 0 ? 12 : 8));
    const response = await deed();
    await response.text();
    return response.status;
  }));
}

Deno.test(`${ROUNDS} chats that are deleted while they are used leave nothing behind`, async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    await seeded(async (random) => {
      const statuses = new Set<number>();
      {
        await using scripted = await startScripted({
          dataDir,
          script: () => ({
            steps: [{ text: "one " }, { delay: random.below(4) }, { text: "two" }],
          }),
        });
        for (let round = 0; round < ROUNDS; round += 4) {
          const races = Array.from({ length: 4 }, async () => {
            const chat = await scripted.chat();
            const [deleted, ...others] = await race(scripted, chat, random);
            assertEquals(deleted, 204);
            for (const status of others) statuses.add(status);
            const gone = await scripted.server.ask("GET", `/api/v2/chats/${chat}`);
            await gone.body?.cancel();
            assertEquals(gone.status, 404);
          });
          await Promise.all(races);
        }
        await scripted.server.stop();
      }
      for (const [table, sql] of Object.entries(LEFT)) {
        assertEquals((await rowsOf(dataDir, sql)).length, 0, table);
      }
      for (const status of statuses) {
        assert([200, 201, 400, 404, 409].includes(status), `a request was answered ${status}`);
      }
      assert(statuses.has(200) && statuses.has(404));
    });
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a fork has its files after its source is deleted", async () => {
  await using scripted = await startScripted();
  const { server, provider } = scripted;
  const chat = await scripted.chat();
  const { url } = await upload(scripted, chat, "what the file says");
  await (await scripted.send(chat, "", withFile(url))).text();
  const forked = await (await server.ask("POST", `/api/v2/chats/${chat}/fork`, { body: {} }))
    .json();
  const again = await (await server.ask("POST", `/api/v2/chats/${forked.id}/fork`)).json();
  for (const source of [chat, forked.id]) {
    assertEquals((await server.ask("DELETE", `/api/v2/chats/${source}`)).status, 204);
    assertEquals((await server.ask("GET", url)).status, 404);
  }
  await checkFile(scripted, again.id, url.replace(chat, again.id));
  assertEquals(provider.requests.length, 2);
});

Deno.test("a message that names another chat's file keeps it after that chat is deleted", async (t) => {
  for (const busy of ["reject", "queue"]) {
    await t.step(busy, async () => {
      await using scripted = await startScripted();
      const { server } = scripted;
      const [source, chat] = [await scripted.chat(), await scripted.chat()];
      const { url } = await upload(scripted, source, "what the file says");
      await (await scripted.send(chat, "", { ...withFile(url), busy })).text();
      assertEquals((await server.ask("DELETE", `/api/v2/chats/${source}`)).status, 204);
      await checkFile(scripted, chat, url.replace(source, chat));
      const bobs = await server.ask("GET", url.replace(source, chat), { token: TOKENS.bob });
      assertEquals(bobs.status, 404);
      // With the last chat the bytes go, too.
      assertEquals((await server.ask("DELETE", `/api/v2/chats/${chat}`)).status, 204);
      assertEquals(await rowsOf(server.dataDir, "SELECT 1 FROM file_pieces"), []);
    });
  }
});

/** The file is where the history says, and the next request has its bytes. */
async function checkFile(scripted: Scripted, chat: string, url: string): Promise<void> {
  const { server, provider } = scripted;
  const [sent] = await scripted.history(chat) as unknown as {
    experimental_attachments: { url: string }[];
  }[];
  assertEquals(sent!.experimental_attachments[0]!.url, url);
  assertEquals(await (await server.ask("GET", url)).text(), "what the file says");
  const next = await scripted.send(chat, "and now?", { model: MODELS.anthropic });
  assertEquals(textOf(partsOf(await next.text())), "ok");
  const asked = JSON.stringify(provider.requests.at(-1)!.body);
  const bytes = new TextEncoder().encode("what the file says");
  assert(asked.includes("what the file says") || asked.includes(bytes.toBase64()), asked);
}
