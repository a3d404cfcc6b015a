/** What the workspace tells models: pinned when a chat begins, so that its prompts begin alike. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { startScripted } from "../kit/scripted.ts";

Deno.test("AGENTS.md is part of the system prompt, as it was when the chat began", async () => {
  const workspace = await Deno.makeTempDir();
  const file = `${workspace}/AGENTS.md`;
  await Deno.writeTextFile(file, "Use tabs.");
  await using scripted = await startScripted({
    env: { PARLEY_WORKSPACE: workspace, PARLEY_SYSTEM_PROMPT: "Be brief." },
  });
  const systems = () =>
    scripted.provider.requests.map(({ body }) => {
      const [first] = (body as { messages: { role: string; content: string }[] }).messages;
      return first!.role === "system" ? first!.content : undefined;
    });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "One")).text();
  await Deno.writeTextFile(file, "Use spaces.");
  await (await scripted.send(chat, "Two")).text();
  const other = await scripted.chat();
  await (await scripted.send(other, "Three")).text();
  assertEquals(systems(), [
    "Be brief.\n\nUse tabs.",
    "Be brief.\n\nUse tabs.",
    "Be brief.\n\nUse spaces.",
  ]);
  const [, answer] = await scripted.history(chat);
  const forked = await scripted.server.ask("POST", `/api/v2/chats/${chat}/fork`, {
    body: { message_id: answer!.id },
  });
  const { id } = await forked.json();
  await (await scripted.send(id, "Four")).text();
  assertStringIncludes(systems().at(-1)!, "tabs");
  await Deno.remove(workspace, { recursive: true });
});
