/** The space that is kept for deleting on a full disk. */
import { assert, assertEquals } from "@std/assert";
import { freeBytes, Reserve } from "../../src/store/reserve.ts";

const MIB = 1024 * 1024;

/** A reserve in a folder of its own, on a disk with `disk.free` bytes beside what the reserve has. */
async function reserveIn(
  use: (at: {
    database: string;
    path: string;
    disk: { free: number };
    reserve: Reserve;
    size(): number;
  }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "parley-reserve-" });
  const database = `${folder}/parley.db`;
  const path = `${database}.reserve`;
  const disk = { free: 100 * MIB };
  const reserve = new Reserve(database, () => Promise.resolve(disk.free));
  try {
    await use({ database, path, disk, reserve, size: () => Deno.statSync(path).size });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a reserve has 1 MiB in real blocks, or a quarter of what is free, and grows with it", () =>
  reserveIn(async ({ path, disk, reserve, size }) => {
    const steps = [
      [0, 0],
      [100_000, 24_576],
      [40_000, 24_576],
      [MIB, 266_240],
      [9 * MIB, MIB],
      [0, MIB],
    ] as const;
    for (const [free, expected] of steps) {
      disk.free = free;
      await reserve.make();
      assertEquals(size(), expected);
    }
    const { blocks, mode } = Deno.statSync(path);
    assert(blocks! * 512 >= MIB, `${blocks} blocks`);
    assertEquals(mode! & 0o777, 0o600);
    assert(await freeBytes(path) > 0);
  }));

Deno.test("a reserve is given back once, and can be made again", () =>
  reserveIn(async ({ reserve, size }) => {
    await reserve.make();
    assertEquals([await reserve.release(), await reserve.release()], [true, false]);
    await reserve.make();
    assertEquals(size(), MIB);
  }));

Deno.test("what a database has already counts as its space", () =>
  reserveIn(async ({ database, disk, reserve }) => {
    await Deno.writeFile(database, new Uint8Array(8_192));
    disk.free = 1_000;
    assertEquals(await reserve.hasSpaceFor(9_192), true);
    assertEquals(await reserve.hasSpaceFor(9_193), false);
    // A hole is no space.
    await Deno.truncate(database, MIB);
    assertEquals(await reserve.hasSpaceFor(9_193), false);
  }));

Deno.test("a folder that takes no reserve is no failure", async () => {
  const reserve = new Reserve("/nowhere/parley.db", freeBytes);
  await reserve.make();
  assertEquals(await reserve.release(), false);
});
