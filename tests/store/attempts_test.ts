/** The ledger counts each token once, whoever closes its rows. */
import { assertEquals } from "@std/assert";
import { NO_USAGE } from "../../src/domain/usage.ts";
import { attemptStore } from "../../src/store/attempts.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase } from "../kit/database.ts";

Deno.test("rows that a crash left open have what closed ones of the run have not", async () => {
  await using db = await testDatabase();
  const attempts = attemptStore(db);
  const open = (id: string, kind: "answer" | "retry") =>
    attempts.open({
      id,
      runId: "r",
      chatId: "c",
      ownerId: "o",
      kind,
      provider: "p",
      model: "x",
      startedAt: 0,
      promptTokens: 7,
    });
  const ending = (outputTokens: number) => ({
    outcome: "interrupted" as const,
    failureClass: null,
    firstTokenMs: null,
    endedAt: 1,
    usage: { ...NO_USAGE, outputTokens, estimated: true },
  });
  await open("first", "answer");
  await attempts.closeOpen("r", ending(10));
  await open("second", "retry");
  await attempts.closeOpen("r", ending(25));
  const rows = await db.all(statement<{ id: string; asked: number; tokens: number }>(
    "SELECT id, input_tokens AS asked, output_tokens AS tokens FROM attempts ORDER BY rowid",
  ));
  assertEquals(rows, [
    { id: "first", asked: 7, tokens: 10 },
    { id: "second", asked: 7, tokens: 15 },
  ]);
});

Deno.test("sums of counts that nobody believes are numbers that every client can read", async () => {
  await using db = await testDatabase();
  const attempts = attemptStore(db);
  const most = Number.MAX_SAFE_INTEGER;
  for (
    const tokens of ["9223372036854775807", "9223372036854775807", "-5", "1e300", "'x'"]
  ) {
    await db.write([statement(
      `INSERT INTO attempts (id, chat_id, owner_id, kind, provider, model, started_at, outcome,
        input_tokens, output_tokens, cached_tokens)
      VALUES (hex(randomblob(8)), 'c', 'o', 'answer', 'p', 'x', 0, 'completed', ${tokens}, 2.5, -1)`,
    )]);
  }
  for (const rows of [await attempts.ofChat("o", "c"), await attempts.since("o", 0)]) {
    assertEquals(rows.map(({ usage: { estimated: _, ...usage } }) => usage), [
      { inputTokens: most, outputTokens: 12, cachedTokens: 0, reasoningTokens: 0 },
    ]);
  }
});
