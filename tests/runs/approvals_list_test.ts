/** The list of what waits, page by page. */
import { assertEquals } from "@std/assert";
import type { Chunk } from "../kit/ui.ts";
import { asking, startAsking } from "./approvals_kit.ts";

Deno.test("approvals are listed by pages, the oldest first", async () => {
  const { scripted } = await startAsking();
  await using _ = scripted;
  const chats = [];
  for (let n = 0; n < 3; n++) {
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go")).text();
    chats.push(chat);
  }
  const first = await scripted.server.ask("GET", "/api/v2/approvals?limit=2");
  const { approvals } = await first.json() as { approvals: Chunk[] };
  const [, next] = /^<(.*)>; rel="next"$/.exec(first.headers.get("link")!)!;
  const rest = await (await scripted.server.ask("GET", next!)).json();
  const listed = [...approvals, ...rest.approvals].map(({ chat_id }) => chat_id);
  assertEquals(listed, chats);
});

Deno.test("large approvals come in more pages", async () => {
  const args = { text: "x".repeat(700_000) };
  const { scripted } = await startAsking({
    script: asking({ name: "test__act", args }, { name: "test__act", args }),
  });
  await using _ = scripted;
  for (let chats = 0; chats < 3; chats++) {
    await (await scripted.send(await scripted.chat(), "Go")).text();
  }
  const sizes: number[] = [];
  const seen = new Set<unknown>();
  for (let next: string | undefined = "/api/v2/approvals"; next;) {
    const response: Response = await scripted.server.ask("GET", next);
    const { approvals } = await response.json() as { approvals: Chunk[] };
    sizes.push(approvals.length);
    for (const { id, input } of approvals) {
      seen.add(id);
      assertEquals(input, args);
    }
    next = /^<(.*)>/.exec(response.headers.get("link") ?? "")?.[1];
  }
  assertEquals(sizes, [2, 2, 2]);
  assertEquals(seen.size, 6);
});
