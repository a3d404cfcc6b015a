/** Who reads a run, and the disk under it, may fail: that ends nothing but themselves. */
import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import type { EventStore, RunStore } from "../../src/domain/ports.ts";
import type { Ownership } from "../../src/runs/ownership.ts";
import { RunLog } from "../../src/runs/run_log.ts";
import { RunStream } from "../../src/runs/run_stream.ts";
import { dataStream } from "../../src/wire/data_stream.ts";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { type Gate, gate, lastUserText } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { replacing } from "../kit/stores.ts";
import { endingOf, runOf } from "../kit/stored_run.ts";
import { within } from "./many_kit.ts";

const LIMIT = 5_000;
const NEVER = new Promise<never>(() => {});
const textIn = (stream: string) => textOf(partsOf(stream));

/** Answers "one two" in two pieces; between them a message with "hold" in it waits. */
function halves(held: Gate) {
  return (request: { body: Record<string, unknown> }) => ({
    steps: lastUserText(request.body).includes("hold")
      ? [{ text: "one " }, { wait: held }, { text: "two" }]
      : [{ text: "one " }, { text: "two" }],
  });
}

function join(scripted: Scripted, chat: string): Promise<Response> {
  return scripted.server.ask("GET", `/api/v2/chats/${chat}/stream`);
}

Deno.test("a subscriber that throws, at once or later, keeps no other from an event", () => {
  for (let failing = 1; failing <= 3; failing++) {
    const stream = new RunStream(runOf(), () => Promise.resolve([]), { head: 0, closed: false });
    const seen: number[][] = [[], []];
    const reader = (events: number[]) => {
      const subscription = stream.subscribe(0, () => {
        const segment = subscription.take();
        if (segment && !(segment instanceof Promise)) events.push(segment.first, segment.last);
      });
    };
    reader(seen[0]!);
    let calls = 0;
    stream.subscribe(0, () => {
      if (++calls === failing) throw new Error("injected");
    });
    reader(seen[1]!);
    for (let n = 0; n < 3; n++) {
      stream.publish([{ type: "text-delta", id: "0", text: `${n}` }], n === 2);
    }
    assertEquals(seen, [[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3]]);
    assertEquals(calls, failing);
  }
});

Deno.test("a stream whose events cannot be encoded ends, and the others are whole", async () => {
  const held = gate();
  await using scripted = await startScripted({ script: halves(held) });
  const chat = await scripted.chat();
  const first = new StreamReader(await scripted.send(chat, "hold on"));
  await first.until("one ");
  const other = scripted.server.ask("GET", `/api/v2/chats/${chat}/stream?protocol=ui`);
  const whole = (await other).text();
  const { encode } = dataStream;
  try {
    dataStream.encode = () => {
      throw new Error("injected");
    };
    held.open();
    assertEquals((await within(LIMIT, "the other stream", whole)).includes("two"), true);
    await within(LIMIT, "the stream that fails", first.rest().catch(() => {}));
  } finally {
    dataStream.encode = encode;
    await first.leave().catch(() => {});
  }
  assertEquals(textIn(await (await scripted.send(chat, "next")).text()), "one two");
});

Deno.test("clients that leave at any moment take nothing from those that stay", async () => {
  const held = gate();
  await using scripted = await startScripted({ script: halves(held) });
  const chat = await scripted.chat();
  const sender = new StreamReader(await scripted.send(chat, "hold on"));
  const readers = await Promise.all(
    Array.from({ length: 12 }, async () => new StreamReader(await join(scripted, chat))),
  );
  const [leaving, staying] = [readers.slice(0, 6), readers.slice(6)];
  for (const reader of leaving.slice(0, 3)) await reader.until("one ");
  for (const reader of leaving) await reader.leave();
  await sender.until("one ");
  await sender.leave();
  held.open();
  const texts = await Promise.all(staying.map((reader) => reader.rest()));
  assertEquals(texts.map(textIn), staying.map(() => "one two"));
  const other = await scripted.chat();
  assertEquals(textIn(await (await scripted.send(other, "Hello")).text()), "one two");
});

for (const fault of ["never answers", "rejects"] as const) {
  Deno.test(`a disk that ${fault} once costs the other chats of the group nothing`, async () => {
    const held = gate();
    const armed: boolean[] = [];
    await using scripted = await startScripted({
      clock: new FastClock(50),
      script: halves(held),
      stores: replacing(({ events, disk }) => ({
        events: {
          append: async (groups, endings) => {
            const taken = await events.append(groups, endings);
            if (armed.length === 0 && endings.length > 0 && groups.length > 1) armed.push(true);
            return taken;
          },
        },
        disk: {
          durable: () => {
            if (!armed[0]) return disk.durable();
            armed[0] = false;
            return fault === "rejects" ? Promise.reject(new Error("injected")) : NEVER;
          },
        },
      })),
    });
    const chats = await Promise.all(Array.from({ length: 8 }, () => scripted.chat()));
    const readers = await Promise.all(
      chats.map(async (chat) => new StreamReader(await scripted.send(chat, "hold on"))),
    );
    for (const reader of readers) await reader.until("one ");
    held.open();
    const rest = Promise.all(readers.map((reader) => reader.rest()));
    const texts = await within(LIMIT, "the streams", rest);
    const failed = texts.filter((text) => text.includes("\n3:"));
    assertEquals([texts.map(textIn), failed.length], [texts.map(() => "one two"), 1]);
    const again = await Promise.all(
      chats.map(async (chat) => textIn(await (await scripted.send(chat, "next")).text())),
    );
    assertEquals(again, chats.map(() => "one two"));
  });
}

Deno.test("what goes wrong behind a write tells nobody's events twice", async () => {
  const streams = ["a", "b"].map((name) =>
    new RunStream(runOf(name), () => Promise.resolve([]), { head: 0, closed: false })
  );
  let calls = 0;
  const disk = {
    durable: () => {
      if (++calls === 1) throw new Error("injected");
      return Promise.resolve();
    },
  };
  const events: EventStore = {
    append: () => Promise.resolve(new Set<string>()),
    read: () => Promise.resolve([]),
    expire: async function* () {},
  };
  const log = new RunLog({
    events,
    disk,
    runs: { find: () => Promise.resolve(undefined) } as unknown as RunStore,
    clock: systemClock,
    ownership: { left: () => 0 } as unknown as Ownership,
    durability: "before",
  });
  const [a, b] = streams.map((stream) => log.open(stream));
  a!.append({ type: "text-delta", id: "0", text: "one" });
  b!.append({ type: "text-delta", id: "0", text: "two" });
  await b!.end(endingOf("b"));
  // An error follows what the disk did not confirm.
  assertEquals(streams.map(({ head }) => head), [1, 2]);
});
