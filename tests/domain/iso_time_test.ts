import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { isoTime } from "../../src/domain/iso_time.ts";

Deno.test("a time is written as by Date", () => {
  const edges = [
    "2000-02-29",
    "2000-03-01",
    "2100-02-28",
    "2100-03-01",
    "9999-12-31",
    "+010000-01-01",
  ]
    .map((day) => Date.parse(day)).flatMap((time) => [time - 1, time, time + 1]);
  for (const time of [-1, 0, 0.5, ...edges]) {
    assertEquals(isoTime(time), new Date(time).toISOString());
  }
  fc.assert(fc.property(
    fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true }),
    (date) => isoTime(date.getTime()) === date.toISOString(),
  ));
});
