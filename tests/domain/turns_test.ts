import { assert } from "@std/assert";
import { LongTurns, ShortTurns } from "../../src/domain/turns.ts";

/** How long the work goes on if nothing else has its turn, in milliseconds. */
const ENDLESS = 3_000;

/** Keeps the event loop. */
function work(ms: number): void {
  for (const begun = performance.now(); performance.now() - begun < ms;);
}

for (
  const [turns, kind, ms] of [[new ShortTurns(), "short", 0.3], [
    new LongTurns(),
    "long",
    3,
  ]] as const
) {
  Deno.test(`a server answers beside endless work in ${kind} turns`, async () => {
    await using server = Deno.serve({ port: 0, onListen: () => {} }, () => new Response("there"));
    const begun = performance.now();
    let isOver = false;
    const workers = Array.from({ length: 4 }, async () => {
      while (!isOver && performance.now() - begun < ENDLESS) {
        await turns.next();
        work(ms);
      }
    });
    for (let n = 0; n < 5; n++) {
      await (await fetch(`http://127.0.0.1:${server.addr.port}/`)).text();
    }
    isOver = true;
    await Promise.all(workers);
    assert(performance.now() - begun < ENDLESS);
  });
}

Deno.test("who takes long in short turns lets everything else go first", async () => {
  await using server = Deno.serve({ port: 0, onListen: () => {} }, () => new Response("there"));
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const turns = new ShortTurns();
  const begun = performance.now();
  let isOver = false;
  let given = 0;
  const workers = Array.from({ length: 8 }, async () => {
    while (!isOver && performance.now() - begun < ENDLESS) {
      await turns.next();
      given++;
      work(20);
    }
  });
  let during = 0;
  for (let n = 0; n < 30; n++) {
    const before = given;
    await (await fetch(url, { headers: { connection: "close" } })).text();
    during += given - before;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  isOver = true;
  await Promise.all(workers);
  assert(during <= 10, `${during} turns were given during 30 requests`);
});
