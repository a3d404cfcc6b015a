import { assertEquals, assertStringIncludes } from "@std/assert";
import { MODELS, startScripted } from "../kit/scripted.ts";
import { TOKENS } from "../kit/parley.ts";

const PNG = Uint8Array.from(
  atob(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  ),
  (character) => character.charCodeAt(0),
);

Deno.test("a file is kept by its own type, read by its owner, and given to the model", async () => {
  await using scripted = await startScripted({ script: { steps: [{ text: "A pixel." }] } });
  const { server, provider } = scripted;
  const chat = await scripted.chat();
  const upload = (body: BodyInit, query = "", headers: Record<string, string> = {}) =>
    fetch(`${server.url}/api/v2/chats/${chat}/files${query}`, {
      method: "POST",
      headers: { "coder-session-token": TOKENS.alice, ...headers },
      body,
    });
  const form = new FormData();
  form.set("file", new File([PNG], "../a ü.png", { type: "text/html" }));
  const made = await upload(form);
  assertEquals(made.status, 201);
  const file = await made.json();
  assertEquals([file.media_type, file.filename, file.size], ["image/png", "a ü.png", PNG.length]);
  assertEquals(made.headers.get("location"), file.url);

  const read = await server.ask("GET", file.url);
  assertEquals(new Uint8Array(await read.arrayBuffer()), PNG);
  assertEquals(read.headers.get("content-type"), "image/png");
  assertEquals(
    read.headers.get("content-disposition"),
    "inline; filename*=UTF-8''a%20%C3%BC.png",
  );
  assertStringIncludes(read.headers.get("content-security-policy") ?? "", "sandbox");
  const etag = read.headers.get("etag")!;
  const again = await server.ask("GET", file.url, { headers: { "if-none-match": etag } });
  assertEquals(again.status, 304);
  assertEquals((await server.ask("GET", file.url, { token: TOKENS.bob })).status, 404);

  const page = await upload("<html><script>alert(1)</script></html>", "?filename=x.html", {
    "content-type": "text/html",
  });
  assertEquals((await page.json()).media_type, "text/plain");
  const svg = await upload('<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>');
  assertEquals((await svg.json()).media_type, "text/plain");
  const binary = await upload(new Uint8Array([0, 1, 2, 255]));
  assertEquals((await binary.json()).media_type, "application/octet-stream");
  assertEquals((await upload("")).status, 400);

  const message = {
    role: "user",
    parts: [{ type: "text", text: "What is it?" }, {
      type: "file",
      mediaType: "image/png",
      url: file.url,
    }],
  };
  await (await scripted.send(chat, "", { message, model: MODELS.anthropic })).text();
  // deno-lint-ignore no-explicit-any
  const asked = provider.requests[0]!.body as any;
  assertEquals(asked.messages[0].content[1].source, {
    type: "base64",
    media_type: "image/png",
    data: PNG.toBase64(),
  });
  const [sent] = await scripted.history(chat);
  assertEquals(
    (sent as unknown as { experimental_attachments: unknown[] }).experimental_attachments,
    [
      { contentType: "image/png", url: file.url },
    ],
  );
  const missing = { ...message.parts[1], url: file.url.replace(/.{4}$/, "0000") };
  const refused = await scripted.send(chat, "", { message: { role: "user", parts: [missing] } });
  assertEquals(refused.status, 400);
  await refused.body?.cancel();
});

Deno.test("a file that the model cannot read is refused, and nothing is stored", async () => {
  await using scripted = await startScripted();
  const chat = await scripted.chat();
  const url = `data:application/x-unknown;base64,${PNG.toBase64()}`;
  const parts = [{ type: "text", text: "x" }, {
    type: "file",
    mediaType: "application/x-unknown",
    url,
  }];
  const refused = await scripted.send(chat, "", {
    message: { role: "user", parts },
    model: MODELS.anthropic,
  });
  assertEquals(refused.status, 400);
  assertEquals((await refused.json()).validations[0].field, "message.parts.1");
  assertEquals(await scripted.history(chat), []);
});

Deno.test("a file too large is refused", async () => {
  await using scripted = await startScripted({ env: { PARLEY_LIMIT_FILE_BYTES: "2000" } });
  const chat = await scripted.chat();
  const response = await scripted.server.ask("POST", `/api/v2/chats/${chat}/files`, {
    body: "x".repeat(2_001),
  });
  assertEquals(response.status, 413);
  await response.body?.cancel();
});
