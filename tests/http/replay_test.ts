/** Runs that are over and whose log has expired: they are made again from what is left of them. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { startScripted } from "../kit/scripted.ts";

/** Lets so much time go by that no ended run has a log any more. */
async function expireLogs(clock: FakeClock): Promise<void> {
  await clock.sleeping(60_000);
  clock.advance(11 * 60_000);
  await clock.sleeping(60_000);
}

Deno.test("an ended run is replayed from its message when its log has expired", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: [{ text: "a" }, { text: "b" }] },
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const headers = { "idempotency-key": "k1" };
  const sent = await scripted.send(chat, "Hello", {}, headers);
  const whole = partsOf(await sent.text());
  await expireLogs(clock);
  const again = await scripted.send(chat, "Hello", {}, headers);
  assertEquals(again.headers.get("parley-run-id"), sent.headers.get("parley-run-id"));
  const parts = partsOf(await again.text());
  assertEquals(parts.map(({ code }) => code).join(""), "f0ed");
  assertEquals(textOf(parts), textOf(whole));
  assertEquals(parts.at(-1), whole.at(-1));
  assertEquals(scripted.provider.requests.length, 1);
  const gone = await server.ask(
    "GET",
    `/api/v2/chats/${chat}/stream?after=${sent.headers.get("parley-run-id")}:1`,
  );
  assertEquals(gone.status, 204);
});

Deno.test("a stream that was cut off is not gone on with in numbers that are not its own", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: ["a", "b", "c", "d"].map((text) => ({ text })) },
  });
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello");
  const whole = textOf(partsOf(await sent.text()));
  const run = sent.headers.get("parley-run-id");
  await expireLogs(clock);
  const join = (after: number) =>
    scripted.server.ask("GET", `/api/v2/chats/${chat}/stream?run=${run}&after=${after}`);
  for (let after = 1; after < 10; after++) assertEquals((await join(after)).status, 204);
  assertEquals(textOf(partsOf(await (await join(0)).text())), whole);
});

Deno.test("a run that failed fails again in its replay, whether its log is kept or not", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    env: { PARLEY_LIMIT_RETRIES: "0" },
    script: [
      { status: 401 },
      { steps: [{ text: "half" }, { cut: true }] },
    ],
  });
  const sends: [string, Record<string, string>][] = [];
  for (const text of ["says nothing", "says half"]) {
    sends.push([await scripted.chat(), { "idempotency-key": text.replace(" ", "-") }]);
  }
  const streams = async () => {
    const found = [];
    for (const [chat, key] of sends) {
      for (const protocol of ["data", "ui"]) {
        const message = { id: "m-1", role: "user", content: "Hello" };
        const path = `/api/v2/chats/${chat}/messages?protocol=${protocol}`;
        const body = { message, model: "scripted" };
        found.push(
          await (await scripted.server.ask("POST", path, { body, headers: key })).text(),
        );
      }
    }
    // Events are numbered anew, and blocks named anew.
    return found.map((stream) => stream.replaceAll(/^id: .*\n|"id":"[^"]*"/gm, ""));
  };
  const first = await streams();
  assertStringIncludes(first[0]!, "3:");
  assertStringIncludes(first[3]!, '{"type":"error"');
  assertEquals(await streams(), first);
  await expireLogs(clock);
  assertEquals(await streams(), first);
  assertEquals(scripted.provider.requests.length, 2);
});

Deno.test("a run that was stopped without a word ends as such in its replay", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({ clock, script: { steps: [{ stall: true }] } });
  const { server, provider } = scripted;
  const chat = await scripted.chat();
  const send = () => scripted.send(chat, "Hello", {}, { "idempotency-key": "k" });
  const sent = await send();
  await provider.waitForRequests(1);
  await (await server.ask("POST", `/api/v2/chats/${chat}/stop`)).body?.cancel();
  const first = partsOf(await sent.text());
  await expireLogs(clock);
  const again = partsOf(await (await send()).text());
  const shape = (parts: typeof first) => parts.map(({ code, value }) => [code, value.finishReason]);
  assertEquals(shape(again), shape(first));
  assertEquals(shape(again), [["f", undefined], ["e", "other"], ["d", "other"]]);
});
