/** The ledger counts each token once, whoever closes its rows. */
import { assertEquals } from "@std/assert";
import { NO_USAGE } from "../../src/domain/usage.ts";
import { ledger } from "../../src/store/ledger.ts";
import { testDatabase } from "../kit/database.ts";

Deno.test("rows that a crash left open have what closed ones of the run have not", async () => {
  await using db = await testDatabase();
  const attempts = ledger(db);
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
  const { rows } = await db.read("SELECT id, output_tokens FROM attempts ORDER BY rowid");
  assertEquals(rows.map((row) => [row["id"], row["output_tokens"]]), [["first", 10], [
    "second",
    15,
  ]]);
});
