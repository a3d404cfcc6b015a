/** URLs of files: which a message may have, and that Parley fetches none itself. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { isRefusedUrl } from "../../src/net/public_url.ts";
import { startParley } from "../kit/parley.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { providerEnv, startScripted } from "../kit/scripted.ts";

const LOCAL = [
  "http://localhost/a.png",
  "http://LOCALHOST:8080/",
  "http://localhost./",
  "http://localhost../",
  "http://a.b.localhost/",
  "http://localhost.localdomain/",
  "http://ip6-localhost/",
  "http://127.0.0.1/",
  "http://127.1/",
  "http://127.0.0.1./",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://%31%32%37.0.0.1/",
  "http://１２７.０.０.１/",
  "http://127。0。0。1/",
  "http://ⓛocalhost/",
  "http://0/",
  "http://0.0.0.0/",
  "http://user:password@127.0.0.1/",
  "http://example.com@127.0.0.1/",
  "http:127.0.0.1/",
  "http:\\\\127.0.0.1/",
  "http://169.254.169.254/latest/meta-data",
  "http://2852039166/",
  "http://0xA9FEA9FE/",
  "http://metadata.google.internal/",
  "http://[::1]/",
  "http://[::]/",
  "http://[0:0:0:0:0:0:0:1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::169.254.169.254]/",
  "http://[2002:7f00:1::]/",
  "http://[fe80::1]/",
  "http://[febf::1]/",
  "ftp://example.com/",
  "file:///etc/passwd",
  "gopher://example.com/",
  "javascript:1",
  "//example.com/a.png",
  "",
];

const PRIVATE = [
  "http://10.1.2.3/",
  "http://192.168.0.1/",
  "http://172.16.9.9/",
  "http://100.64.0.1/",
  "http://[fd00::1]/",
  "http://[::ffff:10.0.0.1]/",
  "http://printer/",
  "http://db.internal/",
  "http://nas.local./",
];

const PUBLIC = [
  "https://example.com/a.png",
  "https://localhost.example.com/",
  "https://notlocalhost.example/a",
  "http://8.8.8.8/",
  "http://128.0.0.1/",
  "http://172.32.0.1/",
  "http://[2001:db8::1]/",
  "http://[::ffff:8.8.8.8]/",
  "https://127.0.0.1.example.com/",
];

Deno.test("an address is known in every spelling", () => {
  for (const url of LOCAL) assertEquals(isRefusedUrl(url, "local"), true, url);
  for (const url of PRIVATE) {
    assertEquals([url, isRefusedUrl(url, "local"), isRefusedUrl(url, "private")], [
      url,
      false,
      true,
    ]);
  }
  for (const url of PUBLIC) assertEquals(isRefusedUrl(url, "private"), false, url);
  for (const url of LOCAL) assertEquals(isRefusedUrl(url, "none"), false, url);
});

Deno.test("a message with such a URL is refused by its field, in every form, and nothing is stored", async () => {
  await using server = await startParley();
  const chat = await server.newChat();
  const refused = async (message: Record<string, unknown>, field: string) => {
    const response = await server.ask("POST", `/api/v2/chats/${chat}/messages`, {
      body: { message: { role: "user", content: "Look", ...message }, model: "demo" },
    });
    assertEquals(response.status, 400);
    assertEquals((await response.json()).validations[0].field, field);
  };
  for (const url of LOCAL) {
    const text = { type: "text", text: "" };
    const file = { type: "file", mediaType: "image/png", url };
    await refused({ parts: [text, file] }, "message.parts.1.url");
    await refused(
      { experimental_attachments: [{ contentType: "image/png", url }] },
      "message.experimental_attachments.0.url",
    );
  }
  const history = await (await server.ask("GET", `/api/v2/chats/${chat}/messages`)).json();
  assertEquals(history, []);
});

Deno.test("a URL from before it was refused does not reach a provider, and Parley fetches none", async () => {
  let fetched = 0;
  await using files = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    fetched++;
    return new Response("x");
  });
  const url = `http://127.0.0.1:${(files.addr as Deno.NetAddr).port}/a.png`;
  const dataDir = await Deno.makeTempDir({ prefix: "parley-urls-" });
  await using provider = await startProvider();
  const models = ["scripted", "claude", "gemini"];
  const chats: string[] = [];
  {
    await using open = await startScripted({
      provider,
      dataDir,
      env: { PARLEY_REFUSED_URLS: "none" },
    });
    for (const model of models) {
      const chat = await open.chat();
      chats.push(chat);
      const parts = [
        { type: "text", text: "Look" },
        { type: "file", mediaType: "image/png", url },
      ];
      await (await open.send(chat, "", { message: { role: "user", parts }, model })).text();
      assertStringIncludes(JSON.stringify(provider.requests.at(-1)!.body), url);
    }
  }
  await using server = await startParley({ dataDir, env: providerEnv(provider) });
  for (const [index, model] of models.entries()) {
    await (await server.send(chats[index]!, "Again", { model })).text();
    const body = JSON.stringify(provider.requests.at(-1)!.body);
    assertEquals([body.includes(url), body.includes("not at a public address")], [false, true]);
  }
  assertEquals(fetched, 0);
  await server.stop();
  await Deno.remove(dataDir, { recursive: true });
});
