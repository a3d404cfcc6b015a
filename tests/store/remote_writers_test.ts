/** Writers of a remote database: one write at a time for each process, and none is lost to another's. */
import { assert, assertEquals } from "@std/assert";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { startParley } from "../kit/parley.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { MODELS, providerEnv, startScripted } from "../kit/scripted.ts";

const wholeText = async (response: Response) => textOf(partsOf(await response.text()));

const WORDS = Array.from({ length: 20 }, (_, n) => `word ${n} `);

Deno.test("a process sends its writes one after the other, and its reads beside them", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({
    env: db.env,
    script: { steps: WORDS.map((text) => ({ text })) },
  });
  db.faults.latencyMs = 5;
  const chats = await Promise.all(Array.from({ length: 12 }, () => scripted.chat()));
  const texts = await Promise.all(
    chats.map(async (chat) => await wholeText(await scripted.send(chat, "Hello"))),
  );
  assertEquals(new Set(texts), new Set([WORDS.join("")]));
  assertEquals(db.most.writes, 1);
  assert(db.most.reads > 1, `${db.most.reads} reads at once`);
});

Deno.test("two processes that write at once lose no run", async () => {
  await using db = await startRemoteDatabase();
  await using provider = await startProvider({
    script: () => ({ steps: WORDS.map((text) => ({ text })) }),
  });
  const env = { ...providerEnv(provider), ...db.env };
  await using a = await startParley({ env });
  await using b = await startParley({ env });
  db.faults.lockMs = 5;
  const answers = await Promise.all(
    Array.from({ length: 48 }, async (_, n) => {
      const server = n % 2 ? a : b;
      const chat = await server.newChat({ body: { title: `Chat ${n}` } });
      const response = await server.ask("POST", `/api/v2/chats/${chat}/messages`, {
        body: { message: { role: "user", content: "Hello" }, model: MODELS.compatible },
      });
      return [response.status, await wholeText(response)];
    }),
  );
  assertEquals(answers, answers.map(() => [200, WORDS.join("")]));
  assert(db.busy > 0, "no writes met");
  const states = db.rows("SELECT DISTINCT state FROM runs").map(({ state }) => state);
  assertEquals(states, ["completed"]);
});
