/** The sums of the ledger. */
import { assertEquals } from "@std/assert";
import { attemptStore } from "../../src/store/attempts.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase } from "../kit/database.ts";

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
