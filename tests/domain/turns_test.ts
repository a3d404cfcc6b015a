import { assert } from "@std/assert";
import { LongTurns, ShortTurns } from "../../src/domain/turns.ts";

/** How long the work goes on if nothing else has its turn, in milliseconds. */
const ENDLESS = 1_500;

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
