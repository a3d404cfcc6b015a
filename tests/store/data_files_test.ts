/** Whether the files of an open database are still those that were opened. */
import { assertEquals, assertRejects } from "@std/assert";
import { DataFiles } from "../../src/store/data_files.ts";
import { FakeClock } from "../kit/clock.ts";

const PATH = "/data/parley.db";

/** A disk that counts how often it is asked. */
function diskOf(files: Record<string, { dev: number; ino: number | null }>) {
  const disk = {
    files,
    asked: 0,
    stat(path: string) {
      disk.asked++;
      const found = disk.files[path];
      return found ? Promise.resolve(found) : Promise.reject(new Deno.errors.NotFound(path));
    },
  };
  return disk;
}

const OPENED: Readonly<Record<string, { dev: number; ino: number }>> = {
  [PATH]: { dev: 1, ino: 10 },
  [`${PATH}-wal`]: { dev: 1, ino: 11 },
};

for (const name of ["parley.db", "parley.db-wal"]) {
  Deno.test(`${name} that is gone, replaced, on another disk, and back`, async () => {
    const clock = new FakeClock();
    const disk = diskOf({ ...OPENED });
    const files = await DataFiles.of(PATH, disk.stat, clock);
    assertEquals(await files.problem(), undefined);
    const path = `/data/${name}`;
    const changes = [
      [undefined, `The database's file ${name} is gone`],
      [{ dev: 1, ino: 99 }, `The database's file ${name} was replaced`],
      [{ dev: 2, ino: OPENED[path]!.ino }, `The database's file ${name} was replaced`],
      [OPENED[path], undefined],
    ] as const;
    for (const [found, problem] of changes) {
      const { [path]: _, ...others } = OPENED;
      disk.files = found ? { ...others, [path]: found } : others;
      clock.advance(1_000);
      assertEquals(await files.problem(), problem);
    }
  });
}

Deno.test("the disk is asked when somebody asks, and at most once a second", async () => {
  const clock = new FakeClock();
  const disk = diskOf({ ...OPENED });
  const files = await DataFiles.of(PATH, disk.stat, clock);
  clock.advance(60_000);
  disk.asked = 0;
  await Promise.all(Array.from({ length: 10 }, () => files.problem()));
  clock.advance(999);
  await files.problem();
  assertEquals(disk.asked, 2);
  clock.advance(1);
  await files.problem();
  assertEquals(disk.asked, 4);
});

Deno.test("files that are missing at the beginning are told of", async () => {
  await assertRejects(
    () => DataFiles.of(PATH, diskOf({}).stat, new FakeClock()),
    Deno.errors.NotFound,
  );
});
