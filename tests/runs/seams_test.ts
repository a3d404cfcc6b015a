/** What happens where the end of one run, the begin of another, a stop and a shutdown meet. */
import { assertEquals } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import type { Disk, EventStore, RunStore } from "../../src/domain/ports.ts";
import { FakeClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { deltas, gate, startProvider } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { replacing } from "../kit/stores.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { HastyClock, rowsOf } from "./many_kit.ts";

/** What a test does at calls of the stores; the other calls are as they are. */
type Hooks =
  & Partial<Pick<RunStore, "begin">>
  & Partial<Pick<EventStore, "append">>
  & Partial<Disk>;

/** Lets `hooks` be changed while a server runs. */
function hooked(hooks: Hooks) {
  return replacing(({ runs, events, disk }) => ({
    runs: { begin: (beginning) => (hooks.begin ?? runs.begin)(beginning) },
    events: { append: (groups, endings) => (hooks.append ?? events.append)(groups, endings) },
    disk: { durable: () => (hooks.durable ?? disk.durable)() },
  }));
}

const runOf = (response: Response) => response.headers.get("parley-run-id");
const textIn = (stream: string) => textOf(partsOf(stream));

async function stop(scripted: Scripted, chat: string, run_id?: string | null) {
  const path = `/api/v2/chats/${chat}/stop`;
  return await (await scripted.server.ask("POST", path, { body: { run_id } })).json();
}

Deno.test("a stop finds the live run while the run before it waits for the disk", async () => {
  const [held, disk, appended] = [gate(), gate(), gate()];
  const hooks: Hooks = {};
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "one" }] }, { steps: [{ text: "a" }, { wait: held }] }],
    stores: (stores) => {
      hooks.append = async (groups, endings) => {
        if (endings.length === 0) return await stores.events.append(groups, endings);
        delete hooks.append;
        hooks.durable = () => {
          delete hooks.durable;
          return disk.opened;
        };
        const lost = await stores.events.append(groups, endings);
        appended.open();
        return lost;
      };
      return hooked(hooks)(stores);
    },
  });
  const chat = await scripted.chat();
  const first = (await scripted.send(chat, "first")).text();
  await appended.opened;
  const second = await scripted.send(chat, "second");
  assertEquals(await stop(scripted, chat, runOf(second)), {
    stopped: true,
    run_id: runOf(second),
  });
  disk.open();
  assertEquals([textIn(await first), textIn(await second.text())], ["one", "a"]);
});

Deno.test("a stop and a deletion are answered while endings cannot be stored", async () => {
  const held = gate();
  const clock = new FakeClock();
  const hooks: Hooks = {};
  await using scripted = await startScripted({
    script: { steps: [{ text: "one " }, { wait: held }, { text: "two" }] },
    stores: hooked(hooks),
    clock,
  });
  const chat = await scripted.chat();
  const answer = await scripted.send(chat, "Hello");
  const reader = new StreamReader(answer);
  await reader.until("one ");
  hooks.append = () => Promise.reject(new AppError("storage_full", "The disk is full"));
  held.open();
  await reader.rest();
  const stopping = stop(scripted, chat);
  await clock.sleeping(10_000);
  clock.advance(10_000);
  const { stopped, run_id } = await stopping;
  assertEquals([stopped, run_id], [false, runOf(answer)]);
  const deleting = scripted.server.ask("DELETE", `/api/v2/chats/${chat}`);
  await clock.sleeping(10_000);
  clock.advance(10_000);
  assertEquals((await deleting).status, 204);
  // By then there is nothing left to be stored.
  await clock.sleeping(1_000);
  clock.advance(1_000);
});

Deno.test("a message that waits is begun although that failed at first", async () => {
  const held = gate();
  const clock = new FakeClock();
  const hooks: Hooks = {};
  await using scripted = await startScripted({
    script: { steps: [{ wait: held }, { text: "ok" }] },
    stores: hooked(hooks),
    clock,
  });
  const chat = await scripted.chat();
  const first = (await scripted.send(chat, "first")).text();
  const waiting = (await scripted.send(chat, "second", { busy: "queue" })).text();
  hooks.begin = () => {
    delete hooks.begin;
    throw new AppError("unavailable", "The database is locked by another program");
  };
  held.open();
  assertEquals(textIn(await first), "ok");
  await clock.sleeping(1_000);
  clock.advance(1_000);
  assertEquals(textIn(await waiting), "ok");
});

Deno.test("an interrupting message leaves those that wait where they are", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "one" }, { wait: held }] }, { steps: [{ text: "ok" }] }],
  });
  const chat = await scripted.chat();
  const first = (await scripted.send(chat, "first")).text();
  await scripted.provider.waitForRequests(1);
  const waiting: Response[] = [];
  for (let place = 0; place < 15; place++) {
    waiting.push(await scripted.send(chat, `waits ${place}`, { busy: "queue" }));
  }
  const urgent = await scripted.send(chat, "urgent", { busy: "interrupt" });
  assertEquals([urgent.status, textIn(await urgent.text())], [200, "ok"]);
  assertEquals(textIn(await first), "one");
  for (const response of waiting) assertEquals(textIn(await response.text()), "ok");
  const asked = (await scripted.history(chat)).filter(({ role }) => role === "user");
  const expected = ["first", "urgent", ...waiting.map((_, place) => `waits ${place}`)];
  assertEquals(asked.map(({ content }) => content), expected);
  assertEquals(scripted.provider.requests.length, 17);
});

Deno.test("a send that is on its way at shutdown leaves no run behind", async () => {
  const [begun, held] = [gate(), gate()];
  const hooks: Hooks = {};
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  await using provider = await startProvider({
    script: { steps: [{ text: "one " }, { wait: gate() }] },
  });
  try {
    await using scripted = await startScripted({
      provider,
      dataDir,
      stores: (stores) => {
        hooks.begin = async (beginning) => {
          begun.open();
          await held.opened;
          return await stores.runs.begin(beginning);
        };
        return hooked(hooks)(stores);
      },
    });
    const chat = await scripted.chat();
    const sending = scripted.send(chat, "Hello");
    await begun.opened;
    const stopping = scripted.server.stop();
    held.open();
    await (await sending).text();
    await stopping;
    const states = await rowsOf(dataDir, "SELECT state FROM runs");
    assertEquals(states.map(({ state }) => state), ["stopped"]);
    const open = await rowsOf(dataDir, "SELECT id FROM attempts WHERE outcome = 'open'");
    assertEquals(open, []);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("an ending that the disk does not confirm is told whole, with an error behind it", async () => {
  const hooks: Hooks = {};
  await using scripted = await startScripted({
    script: { steps: deltas(5) },
    stores: (stores) => {
      hooks.append = (groups, endings) => {
        if (endings.length > 0) {
          hooks.durable = () => {
            delete hooks.durable;
            return Promise.reject(new AppError("storage_failed", "The database failed"));
          };
        }
        return stores.events.append(groups, endings);
      };
      return hooked(hooks)(stores);
    },
  });
  const chat = await scripted.chat();
  const response = await scripted.send(chat, "Hello");
  const parts = partsOf(await response.text());
  const codes = parts.map(({ code }) => code).join("");
  assertEquals(codes, "f00000ed3d");
  const path = `/api/v2/chats/${chat}/stream?run=${runOf(response)}`;
  const whole = await (await scripted.server.ask("GET", path)).text();
  assertEquals(partsOf(whole), parts.slice(0, -2));
});

Deno.test("an ending that nobody has told of yet is replayed as it is in history", async () => {
  const [more, stored, held] = [gate(), gate(), gate()];
  let lost = 0;
  await using scripted = await startScripted({
    clock: new HastyClock(),
    script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
    stores: replacing(({ events }) => ({
      events: {
        append: async (groups, endings) => {
          if (lost < 3 && JSON.stringify(groups).includes("two")) {
            lost++;
            await events.append(groups, []);
            // It is stored, and no answer says so.
            throw new Error("the line broke");
          }
          const taken = await events.append(groups, endings);
          if (endings.length === 0) return taken;
          stored.open();
          await held.opened;
          return taken;
        },
      },
    })),
  });
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello");
  const run = runOf(sent);
  const reader = new StreamReader(sent);
  await reader.until("one ");
  more.open();
  assertEquals(textIn(await reader.rest()), "one ");
  await stored.opened;
  const path = `/api/v2/chats/${chat}/stream?run=${run}`;
  const replay = textIn(await (await scripted.server.ask("GET", path)).text());
  const history = await scripted.history(chat);
  held.open();
  assertEquals(replay, "one two");
  assertEquals(history.at(-1)?.content, replay);
});

Deno.test("a machine that was suspended takes over no run of its own", async () => {
  const held = gate();
  const clock = new FakeClock();
  await using database = await startRemoteDatabase();
  await using scripted = await startScripted({
    script: { steps: [{ text: "one " }, { wait: held }, { text: "two" }] },
    env: database.env,
    clock,
  });
  const chat = await scripted.chat();
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await reader.until("one ");
  // Its lease is over, and the sweep comes before the renewal.
  clock.set(20_000);
  clock.advance(4_000);
  await clock.sleeping(4_000);
  held.open();
  await reader.rest();
  assertEquals(textIn(reader.text), "one two");
  assertEquals((await scripted.history(chat)).map(({ content }) => content), ["Hello", "one two"]);
});
