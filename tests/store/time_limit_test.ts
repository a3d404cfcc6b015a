/** The limit on how long any call of the storage is awaited. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import { TimeLimit } from "../../src/store/time_limit.ts";
import { FakeClock } from "../kit/clock.ts";

const LIMIT = 15_000;
const LOOK_EVERY = 2_500;

/** Lets time pass as a running machine does, from one look at the calls to the next. */
async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += LOOK_EVERY) {
    await clock.sleeping(LOOK_EVERY);
    clock.advance(LOOK_EVERY);
    await new Promise((done) => setTimeout(done));
  }
}

Deno.test("a call that never settles rejects after 15 seconds, others are as before", async () => {
  const clock = new FakeClock();
  const { port } = new TimeLimit(clock).on({
    port: {
      hang: () => new Promise<number>(() => {}),
      double: (n: number) => Promise.resolve(2 * n),
      fail: () => Promise.reject(new RangeError("no")),
    },
  });
  let error: unknown;
  const hanging = port.hang().catch((reason) => error = reason);
  assertEquals(await port.double(21), 42);
  await assertRejects(() => port.fail(), RangeError, "no");
  await pass(clock, LIMIT - LOOK_EVERY);
  assertEquals(error, undefined);
  await pass(clock, LOOK_EVERY);
  await hanging;
  assert(error instanceof AppError);
  assertEquals([error.code, error.message], ["unavailable", "The database does not answer"]);
});

Deno.test("a late answer of a call that was given up is ignored", async () => {
  const clock = new FakeClock();
  const late = Promise.withResolvers<string>();
  const { port } = new TimeLimit(clock).on({ port: { read: () => late.promise } });
  const answer = assertRejects(() => port.read(), AppError);
  await pass(clock, LIMIT);
  await answer;
  late.reject(new Error("too late"));
  await new Promise((done) => setTimeout(done));
});

Deno.test("once all calls have settled nothing looks for them any more", async () => {
  const clock = new FakeClock();
  let sleeps = 0;
  const counted = {
    now: clock.now,
    elapsed: clock.elapsed,
    sleep: (ms: number) => (sleeps++, clock.sleep(ms)),
  };
  const { port } = new TimeLimit(counted).on({ port: { read: () => Promise.resolve("read") } });
  await port.read();
  await port.read();
  assertEquals(sleeps, 1);
  await pass(clock, LOOK_EVERY);
  clock.advance(LIMIT);
  await new Promise((done) => setTimeout(done));
  assertEquals(sleeps, 1);
  assertEquals(await port.read(), "read");
  assertEquals(sleeps, 2);
});

Deno.test("methods that give no promise, and what is no method, pass through", async () => {
  const clock = new FakeClock();
  async function* words() {
    yield "a";
    yield "b";
  }
  const { port } = new TimeLimit(clock).on({ port: { words, size: 2 } });
  assertEquals(await Array.fromAsync(port.words()), ["a", "b"]);
  assertEquals(port.size, 2);
});
