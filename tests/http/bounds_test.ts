/** What a request names is bounded, not only what it carries. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Stores } from "../../src/domain/ports.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import { TOKENS } from "../kit/parley.ts";

const MANY = 70_000;

Deno.test("the files of a prompt are counted before one is read, and each is read once", async () => {
  const { read, stores } = countedReads();
  await using scripted = await startScripted({
    stores,
    env: { PARLEY_LIMIT_PROMPT_BYTES: "9000" },
  });
  const chat = await scripted.chat();
  // 4,000 characters in base64.
  const url = await upload(scripted, chat, "a".repeat(3_000));
  const refused = await refusal(await sendFiles(scripted, chat, Array(3).fill(url)));
  assertEquals([refused.status, refused.field], [413, "message"]);
  assertStringIncludes(refused.detail, "9000 bytes");
  assertEquals(await scripted.history(chat), []);
  assertEquals(read(), 0);

  await (await sendFiles(scripted, chat, [url, url])).text();
  assertEquals(read(), 1);
  const [asked] = scripted.provider.requests;
  assertEquals(JSON.stringify(asked!.body).split("a".repeat(3_000)).length - 1, 2);
  // The history counts, too, and so do files of other chats and of forks.
  const other = await scripted.chat();
  const fork = await scripted.server.ask("POST", `/api/v2/chats/${chat}/fork`, { body: {} });
  const { id } = await fork.json();
  assertEquals((await refusal(await sendFiles(scripted, chat, [url]))).status, 413);
  assertEquals((await refusal(await sendFiles(scripted, id, [url]))).status, 413);
  assertEquals((await refusal(await sendFiles(scripted, other, Array(3).fill(url)))).status, 413);
  assertEquals(read(), 1);
});

Deno.test("a message has so many files, a chat and a user, too", async () => {
  await using scripted = await startScripted({
    env: {
      PARLEY_LIMIT_FILES_PER_MESSAGE: "2",
      PARLEY_LIMIT_FILES_PER_CHAT: "2",
      PARLEY_LIMIT_FILES_PER_USER: "3",
    },
  });
  const [chat, other] = [await scripted.chat(), await scripted.chat()];
  const [one, two] = [await upload(scripted, chat, "1"), await upload(scripted, chat, "2")];
  const status = async (chat: string) => {
    const path = `/api/v2/chats/${chat}/files`;
    return await refusal(await scripted.server.ask("POST", path, { body: "x" }));
  };
  assertEquals((await status(chat)).detail, "Expected at most 2.");
  const three = await upload(scripted, other, "3");
  assertEquals((await status(other)).detail, "Expected at most 3. Delete chats that have some.");
  const many = await refusal(await sendFiles(scripted, chat, [one, two, one]));
  assertEquals([many.status, many.field], [413, "message.parts"]);
  const adopted = await refusal(await sendFiles(scripted, other, [one, two]));
  assertEquals([adopted.status, adopted.detail], [409, "Expected at most 2."]);
  await (await sendFiles(scripted, other, [one, three])).text();
});

Deno.test("a prompt that has grown too large in the queue ends its run, and that is stored", async () => {
  const held = Promise.withResolvers<void>();
  await using scripted = await startScripted({
    env: { PARLEY_LIMIT_PROMPT_BYTES: "2000" },
    script: async () => {
      await held.promise;
      return { steps: [{ text: "x".repeat(2_000) }] };
    },
  });
  const chat = await scripted.chat();
  const first = await scripted.send(chat, "one");
  const second = await scripted.send(chat, "two", { busy: "queue" });
  held.resolve();
  await first.text();
  const [error] = (await second.text()).split("\n").filter((line) => line.startsWith("3:"));
  assertStringIncludes(error!, "The chat is too long for this model request");
  const history = await scripted.history(chat);
  assertEquals(history.map(({ content }) => content.slice(0, 3)), ["one", "xxx", "two"]);
  assertEquals((await refusal(await scripted.send(chat, "three"))).status, 413);
  const path = `/api/v2/chats/${chat}/stream?run=${second.headers.get("parley-run-id")}`;
  assert((await scripted.server.ask("GET", path)).ok);
});

Deno.test("what no model sees is bounded, kept, and not read for a prompt", async () => {
  const seen: unknown[] = [];
  const stores = (stores: Stores): Stores => ({
    ...stores,
    messages: {
      ...stores.messages,
      async read(chatId, keys, options) {
        const read = await stores.messages.read(chatId, keys, options);
        if (options?.seenOnly) seen.push(...read);
        return read;
      },
    },
  });
  await using scripted = await startScripted({ stores });
  const chat = await scripted.chat();
  const parts = [
    { type: "data-x", data: "hidden" },
    { type: "text", text: "one" },
    { type: "data-y", data: "hidden" },
  ];
  const metadata = { note: "hidden" };
  const message = { id: "m", role: "user", parts, metadata };
  await (await scripted.send(chat, "", { message })).text();
  await (await scripted.send(chat, "two")).text();
  assertEquals(scripted.provider.requests.length, 2);
  assert(!JSON.stringify([seen, scripted.provider.requests]).includes("hidden"));
  const path = `/api/v2/chats/${chat}/messages?protocol=ui`;
  assertEquals((await (await scripted.server.ask("GET", path)).json())[0], message);
  const junk = "x".repeat(300_000);
  for (
    const more of [
      { metadata: { junk } },
      { parts: [...parts, { type: "data-x", data: junk }] },
      { parts: [{ type: "text", text: "x", junk }] },
      { parts: [{ type: "junk", text: junk }, ...parts] },
    ]
  ) {
    const sent = { message: { role: "user", parts, ...more } };
    assertEquals((await refusal(await scripted.send(chat, "", sent))).status, 413);
  }
});

Deno.test("a full chat takes no message and is read as before", async () => {
  await using scripted = await startScripted({ env: { PARLEY_LIMIT_CHAT_BYTES: "65536" } });
  const chat = await scripted.chat();
  let refused: Awaited<ReturnType<typeof refusal>> | undefined;
  let sent = 0;
  for (; !refused; sent++) {
    const response = await scripted.send(chat, "x".repeat(10_000));
    if (response.ok) await response.text();
    else refused = await refusal(response);
  }
  // Each question and each answer counts 1 KiB more than it holds.
  assertEquals([sent, refused.status, refused.field], [6, 413, "message"]);
  assertStringIncludes(refused.detail, "at most 65536 bytes");
  assertEquals((await scripted.history(chat)).length, 10);
  const forked = await scripted.server.ask("POST", `/api/v2/chats/${chat}/fork`, { body: {} });
  const { id } = await forked.json();
  assertEquals((await refusal(await scripted.send(id, "x".repeat(10_000)))).status, 413);
});

Deno.test("a long data: URL is kept as a file, and comes back as it was", async () => {
  await using scripted = await startScripted();
  const chat = await scripted.chat();
  const text = "ä€😀".repeat(MANY);
  const urls = [
    `data:image/png;name=x.png;base64,${PNG.toBase64()}`,
    `data:text/plain;base64,${new TextEncoder().encode(text).toBase64()}`,
  ];
  const types = ["image/*", "text/plain"];
  const parts = urls.map((url, n) => ({ type: "file", mediaType: types[n], url }));
  const message = { id: "m", role: "user", parts };
  const asked = { message, model: MODELS.anthropic };
  await (await scripted.send(chat, "", asked)).text();
  // The same message again is the same message: another answer to it.
  await (await scripted.send(chat, "", asked)).text();
  const { id } = await (await scripted.server.ask("POST", `/api/v2/chats/${chat}/fork`, {
    body: {},
  })).json();
  await scripted.server.ask("DELETE", `/api/v2/chats/${chat}`);
  const path = `/api/v2/chats/${id}/messages?protocol=ui`;
  const history = await (await scripted.server.ask("GET", path)).json();
  assertEquals(history.length, 2);
  // Not `assertEquals`: it would print all of it.
  assert(JSON.stringify(history[0]) === JSON.stringify({ id: "m", role: "user", parts }));
  for (const { body } of scripted.provider.requests) {
    // deno-lint-ignore no-explicit-any
    const [image, document] = (body as any).messages[0].content;
    assertEquals(image.source, {
      type: "base64",
      media_type: "image/png",
      data: PNG.toBase64(),
    });
    assert(document.source.data === text);
  }
  const wrong = { ...message, parts: [{ ...parts[0], url: `${urls[0]!.slice(0, -9)}*********` }] };
  const refused = await refusal(await scripted.send(id, "", { message: wrong }));
  assertEquals([refused.status, refused.field], [400, "message.parts.0.url"]);
});

const PNG = new Uint8Array(MANY);
PNG.set(
  Uint8Array.fromBase64(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  ),
);

async function upload({ server }: Scripted, chat: string, body: string): Promise<string> {
  const response = await fetch(`${server.url}/api/v2/chats/${chat}/files`, {
    method: "POST",
    headers: { "coder-session-token": TOKENS.alice },
    body,
  });
  assertEquals(response.status, 201);
  return (await response.json()).url;
}

function sendFiles(scripted: Scripted, chat: string, urls: string[]): Promise<Response> {
  const parts = urls.map((url) => ({ type: "file", mediaType: "text/plain", url }));
  return scripted.send(chat, "", { message: { role: "user", parts } });
}

async function refusal(response: Response) {
  const { detail, validations = [] } = await response.json();
  return { status: response.status, detail: String(detail), field: validations[0]?.field };
}

/** Stores that count how often a file is read. */
function countedReads() {
  let count = 0;
  const stores = (stores: Stores): Stores => ({
    ...stores,
    files: {
      ...stores.files,
      read: (id) => {
        count++;
        return stores.files.read(id);
      },
    },
  });
  return { read: () => count, stores };
}
