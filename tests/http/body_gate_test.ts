/** Bodies take turns, and have to keep coming. */
import { assertEquals, assertRejects } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import { BodyGate } from "../../src/http/body_gate.ts";
import { FakeClock } from "../kit/clock.ts";
import { startParley } from "../kit/parley.ts";

const KiB = 1024;

Deno.test("large bodies wait until there is room, for their user and at all; small ones never do", async () => {
  const clock = new FakeClock();
  const gate = new BodyGate(1_000 * KiB, clock);
  const entered: string[] = [];
  const enter = (user: string, size: number) =>
    gate.enter(user, size * KiB).then((leave) => {
      entered.push(`${user} ${size}`);
      return leave;
    });
  const first = await enter("a", 400);
  const second = enter("a", 200);
  const third = await enter("b", 500);
  const fourth = enter("c", 300);
  await enter("a", 16);
  await clock.sleeping(30_000);
  assertEquals(entered, ["a 400", "b 500", "a 16"]);
  third();
  await fourth;
  assertEquals(entered.slice(3), ["c 300"]);
  first();
  await second;
  assertEquals(entered.slice(4), ["a 200"]);
  const late = enter("c", 600);
  await clock.sleeping(30_000);
  clock.advance(30_000);
  const error = await assertRejects(() => late, AppError);
  assertEquals([error.code, error.retryAfter], ["unavailable", 5]);
  // One that is larger than a user's share is read by itself.
  (await new BodyGate(1_000 * KiB, clock).enter("d", 900 * KiB))();
});

Deno.test("a body that comes too slowly is given up, and one that keeps coming is not", async () => {
  const clock = new FakeClock();
  await using server = await startParley({ clock });
  let feed!: ReadableStreamDefaultController<Uint8Array>;
  const body = () =>
    new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) });
  const post = (body: ReadableStream<Uint8Array>) =>
    Promise.resolve(server.parley.app.request("http://localhost/api/v2/chats", {
      method: "POST",
      headers: {
        host: "localhost",
        "coder-session-token": "alice-secret",
        "content-type": "application/json",
      },
      body,
    }));
  const steady = post(body());
  for (let n = 0; n < 3; n++) {
    await clock.sleeping(12_000);
    feed.enqueue(new Uint8Array(64 * KiB).fill(32));
    await new Promise((done) => setTimeout(done));
    clock.advance(12_000);
  }
  feed.enqueue(new TextEncoder().encode("{}"));
  feed.close();
  assertEquals((await steady).status, 201);
  const slow = post(body());
  await clock.sleeping(12_000);
  feed.enqueue(new Uint8Array(63 * KiB).fill(32));
  clock.advance(12_000);
  assertEquals((await slow).status, 408);
});
