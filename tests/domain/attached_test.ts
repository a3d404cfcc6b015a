/** Files inside of a text: what is sent has the length that was told. */
import { assertEquals } from "@std/assert";
import {
  base64Of,
  lengthWithAttached,
  newPlaceholder,
  type SizedFile,
  withAttached,
} from "../../src/domain/attached.ts";

Deno.test("the length of a text with files is that of its bytes", async () => {
  const bytes = new TextEncoder().encode('"ü"\n日本 \u{1f30d}'.repeat(1_000)).subarray(0, 9_001);
  for (
    const [size, isText] of [[0, false], [1, false], [2, true], [3, true], [9_001, true]] as const
  ) {
    const { placeholder, data } = newPlaceholder();
    const pieces = async function* () {
      for (let at = 0; at < size; at += 300) yield bytes.slice(at, Math.min(at + 300, size));
    };
    const file: SizedFile = { times: 2, size, base64: () => base64Of(pieces()) };
    const files = new Map([[placeholder, file]]);
    const text = JSON.stringify({
      a: "é",
      b: `data:x;base64,${data}`,
      c: isText ? placeholder : data,
    });
    let length = 0;
    for await (const piece of withAttached(text, files)) length += piece.length;
    assertEquals(await lengthWithAttached(text, files, new Map()), length);
  }
});
