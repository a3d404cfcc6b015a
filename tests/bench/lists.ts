import { TOKENS } from "../kit/parley.ts";
import { makeBed } from "./bed.ts";
import { residentMiB, say } from "./measure.ts";

/** Lists of 50 chats, 16 at a time. */
export async function lists(): Promise<void> {
  await using bed = await makeBed();
  for (let n = 0; n < 50; n++) await bed.newChat();
  const url = `${bed.parley.url}/api/v2/chats?limit=50`;
  const headers = { "coder-session-token": TOKENS.alice };
  const until = async (end: number) => {
    let count = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (performance.now() < end) {
        await (await fetch(url, { headers })).arrayBuffer();
        count++;
      }
    }));
    return count;
  };
  await until(performance.now() + 1_000);
  const count = await until(performance.now() + 4_000);
  say("list of 50 chats, c = 16", "", "requests/s");
  say("Parley (target 2,000)", "", count / 4);
}

/** The memory of a thousand open streams, each in its own chat, waiting for a slow model. */
export async function memory(): Promise<void> {
  await using bed = await makeBed();
  await bed.ask(await bed.newChat(), { deltas: 10 });
  const idle = await residentMiB(bed.parley.pid);
  for (let n = 0; n < 1_000; n++) {
    const chat = await bed.newChat();
    await new Promise<void>((resolve) => {
      // The benchmark, and Parley with it, ends before these streams do.
      bed.ask(chat, { deltas: 2, delayMs: 60_000 }, () => resolve()).catch(() => {});
    });
  }
  const loaded = await residentMiB(bed.parley.pid);
  say("memory, MiB", "", "idle", "1,000 streams", "difference");
  say("Parley (target 90; +200)", "", idle, loaded, loaded - idle);
}
