import { assertEquals, assertStringIncludes } from "@std/assert";
import { startParley } from "../kit/parley.ts";

Deno.test("a chat streams an answer and keeps it", async () => {
  await using server = await startParley();
  const chat = await server.newChat();
  const stream = await (await server.send(chat, "Hello")).text();
  assertStringIncludes(stream, '0:"I"\n');
  const history = await (await server.ask("GET", `/api/v2/chats/${chat}/messages`)).json();
  assertEquals(history.map(({ role }: { role: string }) => role), ["user", "assistant"]);
});
