import { assertEquals } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { startScripted } from "../kit/scripted.ts";

Deno.test("shutdown: no new runs, live ones get their time, then are stopped and kept", async () => {
  const clock = new FakeClock();
  const held = gate();
  await using scripted = await startScripted({
    clock,
    script: (request) => {
      const quick = JSON.stringify(request.body).includes("quick");
      return {
        steps: [{ text: "half " }, { wait: quick ? held : new Promise(() => {}) }, {
          text: "whole",
        }],
      };
    },
  });
  const { server } = scripted;
  const [quick, slow] = [await scripted.chat(), await scripted.chat()];
  const readers = [
    new StreamReader(await scripted.send(quick, "quick")),
    new StreamReader(await scripted.send(slow, "slow")),
  ];
  for (const reader of readers) await reader.until("half ");
  const watch = new StreamReader(await server.ask("GET", "/api/v2/chats/watch"));
  await watch.until("watching");
  const waiting = await scripted.send(slow, "waits", { busy: "queue" });

  const closed = server.parley.drain(30_000);
  const refused = await scripted.send(await scripted.chat(), "too late");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  await refused.body?.cancel();
  assertEquals(await waiting.text(), "");
  held.open();
  assertEquals(textOf(partsOf(await readers[0]!.rest())), "half whole");
  clock.advance(30_000);
  const stopped = partsOf(await readers[1]!.rest());
  assertEquals(textOf(stopped), "half ");
  assertEquals(stopped.at(-1)?.value.finishReason, "other");
  await watch.rest();
  await closed;
  await scripted.provider.requests[1]!.closed;
});

Deno.test("what waits at shutdown goes on at the next start", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  const provider = await startProvider();
  provider.script([{ steps: [{ text: "half" }, { stall: true }] }, { steps: [{ text: "later" }] }]);
  let chat: string;
  {
    await using first = await startScripted({ dataDir, provider });
    chat = await first.chat();
    const reader = new StreamReader(await first.send(chat, "one"));
    await reader.until("half");
    await (await first.send(chat, "two", { busy: "queue" })).body?.cancel();
    await first.server.stop();
    await reader.rest();
  }
  {
    await using second = await startScripted({ dataDir, provider });
    await provider.waitForRequests(2);
    const joined = await second.server.ask("GET", `/api/v2/chats/${chat}/stream`);
    await joined.body?.cancel();
    let history = await second.history(chat);
    while (history.length < 4) history = await second.history(chat);
    assertEquals(history.map(({ content }) => content), ["one", "half", "two", "later"]);
  }
  await provider.close();
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("who begins to watch while the server closes is not kept waiting for it", async () => {
  await using scripted = await startScripted();
  const { server } = scripted;
  await server.parley.close();
  const watch = await server.ask("GET", "/api/v2/chats/watch", {
    signal: AbortSignal.timeout(5_000),
  });
  assertEquals([watch.status, await watch.text()], [200, ": watching\n\n"]);
});
