/** No query's cost grows with what it does not return: each finds its rows by an index. */
import { assert, assertEquals } from "@std/assert";
// @ts-types="../../src/store/libsql.d.ts"
import Libsql from "libsql";
import { Bench } from "../runs/injected_kit.ts";
import { SCENARIOS } from "../runs/injected_scenarios.ts";
import { testDatabase } from "../kit/database.ts";

/** A step that reads a table, or an index, from its begin to its end: all but parts of a query's own. */
const TABLE_SCAN =
  /^SCAN (?!\(subquery|CONSTANT ROW|\w+ VIRTUAL TABLE|(back|branch|page|sent|spans|waiting)\b)/;

/** Keeps the texts of all statements until it is disposed of. */
class Statements implements Disposable {
  readonly texts = new Set<string>();
  readonly #real = Libsql.prototype.prepare;

  constructor() {
    const { texts } = this;
    const real = this.#real;
    Libsql.prototype.prepare = function (text) {
      texts.add(text);
      return real.call(this, text);
    };
  }

  [Symbol.dispose](): void {
    Libsql.prototype.prepare = this.#real;
  }
}

Deno.test("every statement finds its rows by an index", async () => {
  // The migrations are behind it: those read whole tables.
  await using bench = await Bench.start();
  using statements = new Statements();
  await doEverything(bench);
  const texts = [...statements.texts].filter((text) =>
    /^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b/i.test(text)
  );
  assert(texts.length > 60, `${texts.length} statements`);
  await using database = await testDatabase();
  const db = new Libsql(`${database.dir}/parley.db`);
  const scans = texts.flatMap((text) => {
    const args = Array(text.match(/\?/g)?.length ?? 0).fill(null);
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${text}`).raw().all(args);
    return plan.map(([, , , detail]) => `${detail} of ${text.replace(/\s+/g, " ").slice(0, 300)}`)
      .filter((line) => TABLE_SCAN.test(line));
  });
  db.close();
  assertEquals(scans, []);
});

/** What clients do, each thing once. */
async function doEverything(bench: Bench): Promise<void> {
  for (const scenario of SCENARIOS) await bench.play(scenario);
  const { scripted: { server, ...scripted } } = bench;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Hello")).text();
  const [first] = await scripted.history(chat);
  const path = `/api/v2/chats/${chat}`;
  const requests: [method: string, path: string, body?: object][] = [
    ["GET", "/api/v2/chats?limit=1"],
    ["GET", path],
    ["PATCH", path, { title: "Other" }],
    ["GET", `${path}/messages?limit=1`],
    ["POST", `${path}/messages`, { message: { ...first, content: "Hi" }, model: "scripted" }],
    ["POST", `${path}/fork`, {}],
    ["GET", `${path}/usage`],
    ["GET", "/api/v2/usage"],
    ["GET", "/readyz"],
  ];
  for (const [method, path, body] of requests) {
    const response = await server.ask(method, path, { ...(body && { body }) });
    const said = await response.text();
    assert(response.ok, `${method} ${path}: ${said}`);
  }
}
