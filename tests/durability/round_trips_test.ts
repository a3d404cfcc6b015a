/** What Parley asks of a remote database: before the first token, while it follows, and when it is idle. */
import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { StreamReader } from "../kit/data_stream.ts";
import { gate } from "../kit/provider/provider.ts";
import { startPair } from "./shared_kit.ts";

const SLOW = [{ text: "one " }, { text: "two" }];

Deno.test("a first token costs seven round trips, and the prompt is read once", async () => {
  const more = gate();
  await using pair = await startPair({ Hello: SLOW, Next: [...SLOW, { wait: more }] });
  await (await pair.a.send("Hello")).text();
  await systemClock.sleep(200);
  // What is done now and then takes no part.
  const own = pair.db.requests.length;
  const reader = new StreamReader(await pair.a.send("Next"));
  await reader.until("one ");
  const asked = pair.db.requests.slice(own).filter((sql) => !/stop_requested|EXISTS/.test(sql));
  assert(asked.length <= 7, asked.join("\n---\n"));
  assertEquals(asked.filter((sql) => sql.includes("WITH RECURSIVE branch")).length, 1);
  more.open();
  await reader.rest();
});

Deno.test("a run of another process is followed by one request at a time, and at rest there are few", async () => {
  const more = gate();
  await using pair = await startPair({ Hello: [{ text: "one " }, { wait: more }] });
  const { a, b, db } = pair;
  const atA = new StreamReader(await a.send("Hello"));
  await atA.until("one ");
  const atB = new StreamReader(await b.join());
  await atB.until("one ");
  const from = db.requests.length;
  await systemClock.sleep(3_000);
  const asked = db.requests.slice(from);
  const looks = asked.filter((sql) => sql.includes("spans")).length;
  // Five looks a second, and its state at every fifth.
  assert(looks > 5 && asked.length <= looks * 1.2 + 10, `${asked.length} requests, ${looks} looks`);
  more.open();
  await Promise.all([atA.rest(), atB.rest()]);
  await systemClock.sleep(200);
  const idle = db.requests.length;
  await systemClock.sleep(8_200);
  const atRest = db.requests.length - idle;
  assert(atRest <= 6, `${atRest} requests of two processes at rest in 8 s`);
});
