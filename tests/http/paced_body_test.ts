/** What a long body keeps for its client, and when it lets go. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { coderAuthenticator } from "../../src/auth/coder.ts";
import { AppError } from "../../src/domain/errors.ts";
import { LongTurns } from "../../src/domain/turns.ts";
import { HeldBytes, type Pace, pacedBody, sourceOf } from "../../src/http/paced_body.ts";
import { Places } from "../../src/domain/places.ts";
import type { HttpParts, RequestContext } from "../../src/http/context.ts";
import { enterStream } from "../../src/http/pace.ts";
import { FakeClock } from "../kit/clock.ts";

/** A connection that a test ends. */
function connectionOf() {
  const { promise: completed, resolve } = Promise.withResolvers<void>();
  const connection = { closed: 0, close: () => void connection.closed++, completed };
  return { connection, complete: resolve };
}

/** A body of chunks of that many bytes, with `tick` for its keep-alives. */
function bodyOf(chunks: number[], pace: Partial<Pace> = {}) {
  const timers: (() => void)[] = [];
  const { setInterval } = globalThis;
  globalThis.setInterval =
    ((round: () => void) => timers.push(round)) as unknown as typeof setInterval;
  let closed = 0;
  const bytes = (async function* () {
    for (const size of chunks) yield new Uint8Array(size).fill(97);
  })();
  const stream = pacedBody(() => sourceOf(bytes, new LongTurns()), {
    keepAliveMs: 10,
    onClose: () => closed++,
    ...pace,
  });
  globalThis.setInterval = setInterval;
  return { stream, tick: () => timers.forEach((round) => round()), closed: () => closed };
}

/** Lets the bodies take what they can. */
async function settle(): Promise<void> {
  for (let n = 0; n < 5; n++) await new Promise((done) => setTimeout(done, 0));
}

/** Waits for what the bodies will come to. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setTimeout(done, 0));
}

Deno.test("a client that takes nothing loses its connection, and what was kept for it", async () => {
  const { connection, complete } = connectionOf();
  const { tick, closed } = bodyOf([100_000, 100_000], { connection });
  await settle();
  for (let n = 0; n < 5; n++) {
    assertEquals(connection.closed, 0);
    tick();
  }
  assertEquals([connection.closed, closed()], [1, 1]);
  complete();
});

Deno.test("of bodies with large pieces, those that are slowest are dropped when it is too much", async () => {
  const held = new HeldBytes(1_000_000, 100_000);
  const all = [400_000, 50_000, 400_000, 400_000].map((size) => {
    const { connection, complete } = connectionOf();
    complete();
    return { connection, ...bodyOf([size], { held, connection }) };
  });
  const dropped = () => all.map(({ connection }) => connection.closed);
  await until(() => dropped()[0] === 1);
  assertEquals(dropped(), [1, 0, 0, 0]);
  // The next one was slower than this one, which takes a piece.
  const reader = all[2]!.stream.getReader();
  for (let n = 0; n < 4; n++) await reader.read();
  const last = bodyOf([400_000], { held });
  await until(() => dropped()[3] === 1);
  assertEquals(dropped(), [1, 0, 0, 1]);
  let size = 4 * 8192;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    size += value.length;
  }
  assertEquals(size, 400_000);
  await Promise.all([all[1]!.stream.cancel(), last.stream.cancel()]);
});

Deno.test("who is no longer signed in hears so, and nothing else", async () => {
  let isSignedIn = true;
  const pace = { mayStay: () => Promise.resolve(isSignedIn), farewell: "bye", keepAlive: "." };
  const body = pacedBody(
    () => ({ take: () => undefined, done: false, close: () => {} }),
    { ...pace, keepAliveMs: 1, onClose: () => {} },
  );
  const reader = body.getReader();
  const text = async () => new TextDecoder().decode((await reader.read()).value);
  assertEquals(await text(), ".");
  isSignedIn = false;
  let heard = await text();
  while (heard === ".") heard = await text();
  assertEquals(heard, "bye");
  assertEquals((await reader.read()).done, true);

  // In the middle of a large piece there is no place for a word.
  const { connection, complete } = connectionOf();
  const { tick } = bodyOf([100_000], { ...pace, connection });
  await settle();
  tick();
  await settle();
  assertEquals(connection.closed, 1);
  complete();
});

Deno.test("a stream has its place until its connection is done with it", async () => {
  const streams = new Places({ total: 9, perUser: 1 }, "open streams");
  const { connection, complete } = connectionOf();
  const c = { var: { principal: { id: "alice" } }, env: { connection } };
  enterStream(c as unknown as RequestContext, { streams } as unknown as HttpParts)();
  assertThrows(() => streams.enter("alice"), AppError, "Too many open streams");
  complete();
  await connection.completed;
  streams.enter("alice")();
  streams.enter("alice")();
});

Deno.test("all streams of a user ask a deployment once", async () => {
  let asked = 0;
  const answer = Promise.withResolvers<void>();
  await using deployment = Deno.serve({ port: 0, onListen: () => {} }, async () => {
    asked++;
    await answer.promise;
    return Response.json({ id: "u1", username: "ann" });
  });
  const url = `http://127.0.0.1:${(deployment.addr as Deno.NetAddr).port}`;
  const authenticator = coderAuthenticator(url, new FakeClock());
  const all = Promise.all(Array.from({ length: 200 }, () => authenticator.authenticate("token")));
  answer.resolve();
  assert((await all).every((principal) => principal?.id === "u1"));
  assertEquals(asked, 1);
});

Deno.test("all that a source has arrives in order, however it and its client take turns", async () => {
  const sizes = [1, 8192, 8193, 3, 30_000, 16_384, 1, 1, 50_000, 7];
  const whole = sizes.flatMap((size, n) => Array<number>(size).fill(n));
  for (const first of [0, 20_000]) {
    for (const pauses of [0, 2]) {
      const bytes = (async function* () {
        for (const [n, size] of sizes.entries()) yield new Uint8Array(size).fill(n);
      })();
      const pace = { keepAliveMs: 60_000, onClose: () => {}, first: "\0".repeat(first) };
      const body = pacedBody(() => sourceOf(bytes, new LongTurns()), pace);
      const got: number[] = [];
      let read = 0;
      for await (const piece of body) {
        got.push(...piece);
        if (pauses > 0 && read++ % pauses === 0) await new Promise((done) => setTimeout(done, 0));
      }
      assertEquals(got.length, first + whole.length);
      assert(got.slice(first).every((value, n) => value === whole[n]), `${first} ${pauses}`);
    }
  }
});
