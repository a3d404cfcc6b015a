/** Runs that are over and whose log has expired: they are made again from what is left of them. */
import { assertEquals } from "@std/assert";
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
  const gone = await server.ask("GET", `/api/v2/chats/${chat}/stream?after=1`);
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
