import { assertEquals } from "@std/assert";
import { runParley } from "../kit/process.ts";

/** What `parley serve` says on a database that it cannot use. */
export async function refusedStart(env: Record<string, string>): Promise<string> {
  const data = await Deno.makeTempDir({ prefix: "parley-remote-" });
  const { code, stdout, stderr } = await runParley({
    args: ["serve", "--data", data, "--listen", "127.0.0.1:0"],
    env: { PARLEY_TOKENS: "alice=alice-secret", ...env },
  });
  await Deno.remove(data, { recursive: true });
  assertEquals([code, stdout], [2, ""]);
  return stderr;
}
