/** What comes to A while B deletes the chat that it is for: the chat is gone, and nothing of it stays. */
import { assertEquals } from "@std/assert";
import { type Gate, gate } from "../kit/provider/provider.ts";
import { StreamReader } from "../kit/data_stream.ts";
import { type Pair, startPair } from "./shared_kit.ts";

/** What is asked of A, and the table that it writes to first. */
interface Case {
  name: string;
  table: string;
  /** True if B makes a run in the chat. */
  busy?: true;
  ask(pair: Pair, fileUrl: string): Promise<Response>;
}

const upload = (pair: Pair) => {
  const body = new FormData();
  body.append("file", new Blob(["some text"], { type: "text/plain" }), "a.txt");
  return fetch(`${pair.a.server.url}/api/v2/chats/${pair.chat}/files`, {
    method: "POST",
    headers: { "coder-session-token": "alice-secret" },
    body,
  });
};

const KEY = { "idempotency-key": "key-1" };

function withFile(url: string) {
  const file = { type: "file", mediaType: "text/plain", url };
  return { message: { role: "user", parts: [{ type: "text", text: "Next" }, file] } };
}

const CASES: Case[] = [
  { name: "a message", table: "runs", ask: ({ a }) => a.send("Next") },
  {
    name: "a message with a key and a file",
    table: "runs",
    ask: ({ a }, url) => a.send("", withFile(url), KEY),
  },
  {
    name: "a message that is to wait",
    table: "queue",
    busy: true,
    ask: ({ a }) => a.send("Next", { busy: "queue" }),
  },
  {
    name: "a message with a key and a file that is to wait",
    table: "queue",
    busy: true,
    ask: ({ a }, url) => a.send("", { ...withFile(url), busy: "queue" }, KEY),
  },
  { name: "a file", table: "files", ask: upload },
  { name: "the bytes of a file", table: "file_pieces", ask: upload },
];

/** Holds A's write to a table until the gate is open. */
function hold({ db }: Pair, table: string, until: Gate): Promise<void> {
  const isMeant = (sql: string) => sql.includes(`INSERT INTO ${table} `);
  db.faults.hold = (sql) => isMeant(sql) ? until.opened : undefined;
  return db.asked(`INSERT INTO ${table} `);
}

for (const { name, table, busy, ask } of CASES) {
  Deno.test(`${name} for a chat that is deleted at that moment is a 404`, async () => {
    await using pair = await startPair({ Hello: [{ text: "one " }, { stall: true }] });
    const { url } = await (await upload(pair)).json();
    const live = busy && new StreamReader(await pair.b.send("Hello"));
    await live?.until("one ");
    const deleted = gate();
    const written = hold(pair, table, deleted);
    const asking = ask(pair, url);
    await written;
    assertEquals((await pair.b.ask("DELETE", "")).status, 204);
    deleted.open();
    const answer = await asking;
    await answer.body?.cancel();
    assertEquals(answer.status, 404);
    await live?.rest();
    for (const table of ["chats", "messages", "runs", "queue", "files", "file_pieces", "sends"]) {
      assertEquals(pair.db.rows(`SELECT * FROM ${table}`), [], table);
    }
  });
}
