/** What a server's failures are called: at the start, in answers, and by `/readyz`. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";
import { refusedStart } from "./refused_start.ts";

Deno.test("a database is found at the path of its URL, with a slash behind it or without", async () => {
  await using db = await startRemoteDatabase();
  db.faults.namespace = "team";
  for (const path of ["/dev/team", "/dev/team/"]) {
    await using scripted = await startScripted({
      env: { ...db.env, PARLEY_DATABASE_URL: db.url + path },
    });
    const answer = await scripted.send(await scripted.chat(), "Hello");
    assertEquals(textOf(partsOf(await answer.text())), "ok");
  }
});

Deno.test("a start says that there is no such database, or that it is blocked", async () => {
  await using db = await startRemoteDatabase();
  db.faults.namespace = "team";
  const url = `${db.url}/dev/other`;
  assertEquals(
    await refusedStart({ ...db.env, PARLEY_DATABASE_URL: url }),
    `parley: There is no database ${url}: its server answered status 404: ` +
      "Namespace `other` doesn't exist. Check PARLEY_DATABASE_URL with its path.\n",
  );
  db.faults.namespace = undefined;
  db.faults.blocked = "all";
  const blocked = await refusedStart(db.env);
  assertStringIncludes(blocked, `parley: The database ${db.url} is blocked: `);
  assertStringIncludes(blocked, "the bill is not paid");
});

const FAILURES = [
  {
    name: "is gone",
    fault: { namespace: "another" },
    status: 500,
    message: "There is no such database",
    detail: /answered status 404: Namespace `default` doesn't exist/,
  },
  {
    name: "takes no writes",
    fault: { blocked: "writes" },
    status: 503,
    message: "The database is blocked",
    detail: /the bill is not paid/,
  },
  {
    name: "takes nothing",
    fault: { blocked: "all" },
    status: 503,
    message: "The database is blocked",
    detail: /the bill is not paid/,
  },
  {
    name: "refuses the token",
    fault: { status: 401 },
    status: 500,
    message: "The database refuses Parley's token",
    detail: /status 401/,
  },
] as const;

for (const { name, fault, ...expected } of FAILURES) {
  Deno.test(`a database that ${name} is told to who sends, and by /readyz`, async () => {
    await using db = await startRemoteDatabase();
    await using scripted = await startScripted({ env: db.env });
    const chat = await scripted.chat();
    Object.assign(db.faults, fault);
    const answers = [
      await scripted.send(chat, "Hello"),
      await scripted.server.ask("GET", "/readyz", { token: null }),
    ];
    for (const answer of answers) {
      const { message, detail } = await answer.json();
      assertEquals([answer.status, message], [expected.status, expected.message]);
      assertMatch(detail, expected.detail);
    }
    Object.assign(db.faults, { namespace: undefined, blocked: undefined, status: undefined });
    const next = await scripted.send(chat, "Hello");
    assertEquals(textOf(partsOf(await next.text())), "ok");
  });
}
