/** What a request names, and what it makes a chat hold, cost nobody else anything. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="../../src/store/libsql.d.ts"
import Libsql from "libsql";
import { startStage } from "./kit.ts";

const MIB = 1024 * 1024;
const FILE = 10 * MIB;

Deno.test("files, however large and however often they are named", async () => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const upload = async (head: number[] | string, size = FILE) => {
    const response = await stage.ask("POST", `/api/v2/chats/${chat}/files`, {
      body: fileOf(head, size),
      headers: { "content-type": "application/octet-stream" },
    });
    assertEquals(response.status, 201);
    return (await response.json()).url as string;
  };
  const image = { type: "file", mediaType: "image/png", url: await upload(PNG) };
  const text = { type: "file", mediaType: "text/plain", url: await upload("a") };
  const ask = async (chat: string, parts: object[], more: object = {}) => {
    const body = { message: { role: "user", parts, ...more }, model: "scripted" };
    const response = await stage.ask("POST", `/api/v2/chats/${chat}/messages`, { body });
    return { status: response.status, said: await response.text() };
  };
  const refused = async (chat: string, parts: object[], more?: object) => {
    const { status, said } = await ask(chat, parts, more);
    assertEquals(status, 413, said.slice(0, 200));
    assertStringIncludes(said, '"field":"message');
  };
  const answered = async (chat: string, parts: object[], more?: object) => {
    const { status, said } = await ask(chat, parts, more);
    assertEquals(status, 200);
    assertStringIncludes(said, '0:"ok"');
  };

  await stage.survive("uploads of 10 MB", async () => {
    await upload(PNG);
    await upload("text, and more text");
  });
  await stage.survive("one file of 10 MB named 999 times", async () => {
    await refused(chat, Array(999).fill(image));
    await refused(chat, Array(20).fill(text));
    await refused(chat, [], { experimental_attachments: Array(100).fill({ url: image.url }) });
  });
  await stage.survive("prompts with a file of 10 MB", async () => {
    await answered(await stage.newChat(), [image]);
    await answered(await stage.newChat(), [image, image]);
  });
  await stage.survive("the same as text", async () => {
    await answered(await stage.newChat(), [text]);
  });
  await stage.survive("files in the history, in branches and in forks", async () => {
    const grown = await stage.newChat();
    await answered(grown, [image], { id: "first" });
    await answered(grown, [image]);
    await refused(grown, [image]);
    await refused(grown, [image, image], { id: "second" });
    const fork = await stage.ask("POST", `/api/v2/chats/${grown}/fork`, { body: {} });
    await refused((await fork.json()).id, [text]);
  });
  await stage.survive("twenty sends at once, each with a file", async () => {
    const chats = await Promise.all(Array.from({ length: 20 }, () => stage.newChat()));
    await Promise.all(chats.map((chat) => answered(chat, [image])));
  });
  await stage.survive("readers of files that take nothing", async () => {
    const readers = await Promise.all(
      Array.from({ length: 30 }, () => stage.ask("GET", image.url)),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    await Promise.all(readers.map(({ body }) => body!.cancel()));
  });
});

Deno.test("bodies that are large, and what they leave behind", async () => {
  await using stage = await startStage();
  const ask = async (chat: string, message: object) => {
    const body = { message: { role: "user", ...message }, model: "scripted" };
    const response = await stage.ask("POST", `/api/v2/chats/${chat}/messages`, { body });
    await response.text();
    return response.status;
  };
  const junk = "x".repeat(7 * MIB);
  const said = { type: "text", text: "x" };
  const chat = await stage.newChat();
  await stage.survive("parts that no model sees", async () => {
    assertEquals(await ask(chat, { parts: [said, { type: "data-x", data: junk }] }), 413);
    assertEquals(await ask(chat, { parts: [said], metadata: { junk } }), 413);
    assertEquals(await ask(chat, { parts: [{ ...said, junk }] }), 413);
  });
  const url = `data:image/png;base64,${fileOf(PNG, 5 * MIB).toBase64()}`;
  const image = { type: "file", mediaType: "image/png", url };
  await stage.survive("data: URLs", async () => {
    assertEquals(await ask(chat, { parts: [image] }), 200);
  });
  await stage.survive("a history of them", async () => {
    for (const form of ["data", "ui"]) {
      const path = `/api/v2/chats/${chat}/messages?protocol=${form}`;
      const response = await stage.ask("GET", path);
      assertEquals(response.status, 200);
      let size = 0;
      for await (const chunk of response.body!) size += chunk.length;
      assert(size > url.length);
    }
  });
});

Deno.test("a chat at its bound is read, forked and refused", async () => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const path = `/api/v2/chats/${chat}/messages`;
  fill(stage.parley.dataDir, chat);
  const said = { role: "user", content: "x" };
  const full = async () => {
    const sent = await stage.ask("POST", path, { body: { message: said, model: "scripted" } });
    assertEquals(sent.status, 413);
    assertStringIncludes(await sent.text(), "The chat is full");
  };
  await stage.survive("sending to it", () => Promise.all(Array.from({ length: 20 }, full)));
  await stage.survive("reading it", async () => {
    for (const form of ["data", "ui"]) {
      const response = await stage.ask("GET", `${path}?protocol=${form}`);
      assertEquals(response.status, 200);
      for await (const _ of response.body!) continue;
    }
  });
  await stage.survive("forking it", async () => {
    const fork = await stage.ask("POST", `/api/v2/chats/${chat}/fork`, { body: {} });
    assertEquals(fork.status, 201);
    await fork.text();
  });
  await stage.survive("readers of it that take nothing", async () => {
    const readers = await Promise.all(Array.from({ length: 30 }, () => stage.ask("GET", path)));
    await new Promise((resolve) => setTimeout(resolve, 500));
    await Promise.all(readers.map(({ body }) => body!.cancel()));
  });
});

/** Fills a chat to its bound, beside the server: a part that no model sees in each message. */
function fill(dataDir: string, chat: string): void {
  const db = new Libsql(`${dataDir}/parley.db`, { timeout: 5_000 });
  db.exec(`
    WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 263)
    INSERT INTO messages (key, chat_id, id, parent_key, role, parts, unseen, metadata, status,
      created_at)
    SELECT '${chat}:' || n, '${chat}', 'm' || n, CASE WHEN n > 0 THEN '${chat}:' || (n - 1) END,
      CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
      '[{"type":"text","text":"x"}]',
      '[[1,{"type":"data-x","value":{"type":"data-x","data":"' || hex(zeroblob(128000)) || '"}}]]',
      '{}', 'completed', 0
    FROM n;
    UPDATE chats SET leaf_key = '${chat}:263' WHERE id = '${chat}'`);
  db.close();
}

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0, ...[
  0x49,
  0x44,
  0x41,
  0x54,
]];

function fileOf(head: number[] | string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size).fill(0x61);
  bytes.set(typeof head === "string" ? new TextEncoder().encode(head) : head);
  return bytes;
}
