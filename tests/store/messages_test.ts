/** Messages and files of any size are read, and no answer of a remote database is too large for its server. */
import { assert, assertEquals } from "@std/assert";
import type { Part } from "../../src/domain/message.ts";
import type { Database } from "../../src/store/database.ts";
import { fileStore } from "../../src/store/files.ts";
import { messageStore } from "../../src/store/messages.ts";
import { chatStore } from "../../src/store/chats.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase, testRemote } from "../kit/database.ts";
import { chatOf } from "../kit/stored_run.ts";

const LIMIT = 4 * 1024 * 1024;

/** Stores messages with these texts, one behind the other. Resolves to their keys. */
async function store(db: Database, texts: string[]): Promise<string[]> {
  await chatStore(db).create(chatOf("a"), { titled: true });
  for (const [index, text] of texts.entries()) {
    const parts: Part[] = [{ type: "text", text }];
    await db.write([statement(
      `INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)
       VALUES (?, 'ca', ?, ?, 'user', ?, ?, 'completed', 0)`,
      [
        `k${index}`,
        `k${index}`,
        index === 0 ? null : `k${index - 1}`,
        JSON.stringify(parts),
        JSON.stringify({ note: text.slice(0, 100) }),
      ],
    )]);
  }
  return texts.map((_, index) => `k${index}`);
}

/** Texts that take more room on a line, and in UTF-8, than they have characters. */
const TEXTS = {
  "letters": "letters and spaces ",
  "quotes and backslashes": '"\\\n',
  "characters of four bytes": "😀",
};

for (const [what, unit] of Object.entries(TEXTS)) {
  const sized = (bytes: number) =>
    unit.repeat(bytes / (new TextEncoder().encode(JSON.stringify(unit)).length - 2));

  Deno.test(`messages of any size are read in answers below 4 MiB: ${what}`, async () => {
    await using db = await testRemote();
    const sizes = [10, 4_900_000, 700_000, 2_000_000, 700_000, 10, 1_400_000, 20];
    const texts = sizes.map(sized);
    const keys = (await store(db, texts)).toReversed();
    const before = db.server.answers.length;
    const read = await messageStore(db).read("ca", keys);
    assertEquals(read.map(({ key }) => key), keys);
    const found = read.map(({ parts }) => parts[0]?.type === "text" ? parts[0].text : "");
    texts.toReversed().forEach((text, index) => assert(found[index] === text, `message ${index}`));
    const answers = db.server.answers.slice(before);
    assert(Math.max(...answers) < LIMIT, `an answer of ${Math.max(...answers)} bytes`);
    assert(answers.length > 3, `${answers.length} answers`);
  });
}

Deno.test("a file of any size is read in answers below 4 MiB", async () => {
  await using db = await testRemote();
  await chatStore(db).create(chatOf("a"), { titled: true });
  const files = fileStore(db);
  for (const size of [0, 3, 5_000_001]) {
    const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 7) % 256);
    const file = {
      id: `f${size}`,
      chatId: "ca",
      ownerId: "o",
      mediaType: "text/plain",
      filename: null,
      size,
      createdAt: 0,
    };
    assertEquals(await files.add(file, bytes, { perChat: 9, perUser: 9 }), "added");
    assertEquals(await files.find("o", [file.id], "ca"), [file]);
    const found = await new Response(ReadableStream.from(files.read(file.id))).bytes();
    assert(bytes.every((byte, index) => found[index] === byte));
    assertEquals(found.length, size);
  }
  assert(Math.max(...db.server.answers) < LIMIT);
});

Deno.test("small messages of a remote database are read in one answer", async () => {
  await using db = await testRemote();
  const keys = await store(db, Array(40).fill("x".repeat(1_000)));
  const before = db.server.answers.length;
  assertEquals((await messageStore(db).read("ca", keys)).length, 40);
  assertEquals(db.server.answers.length - before, 1);
});

Deno.test("an outline, siblings and a way down are found by indexes alone", async () => {
  await using db = await testDatabase();
  const asked: string[] = [];
  const spy = Object.create(db, {
    all: {
      value: (query: Parameters<Database["all"]>[0]) => {
        asked.push(query.sql);
        return db.all(query);
      },
    },
  });
  const messages = messageStore(spy);
  await messages.outline("ca", "k", 9);
  await messages.withId("ca", "k");
  await messages.descend("ca", "k", 9);
  await messages.siblings("ca", ["k"]);
  await messages.read("ca", ["k"]);
  assertEquals(asked.length, 5);
  for (const sql of asked) {
    const steps = await db.all(statement<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`));
    const scans = steps.filter(({ detail }) => /^SCAN (m|s|messages)\b/.test(detail));
    assertEquals(scans, [], sql);
    const [sibling] = steps.filter(({ detail }) => /^SEARCH s\b/.test(detail));
    if (sibling) assert(sibling.detail.includes("(chat_id=? AND parent_key=?)"), sibling.detail);
  }
});
