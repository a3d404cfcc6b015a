import type { Database } from "./database.ts";
import { sql, type Statement } from "./statement.ts";

/** How many bytes one query gives: servers limit their answers. */
const SLICE = 2_000_000;

/** The bytes of a large value, slice by slice; undefined if its row is gone. */
export async function readSlices(
  db: Database,
  value: Statement,
  row: Statement,
): Promise<Uint8Array | undefined> {
  const slices: Uint8Array<ArrayBuffer>[] = [];
  do {
    const from = slices.length * SLICE + 1;
    const found = await db.get(sql<{ slice: Uint8Array<ArrayBuffer> | null }>`
      SELECT substr(${value}, ${from}, ${SLICE}) AS slice FROM ${row}`);
    if (!found) return undefined;
    // SQLite gives null for a slice of an empty value.
    slices.push(found.slice ?? new Uint8Array());
  } while (slices.at(-1)?.length === SLICE);
  return await new Blob(slices).bytes();
}
