/** What browsers and caches are told, and which host a request is for. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { connect } from "node:http2";
import { startParley, type TestServer, TOKENS } from "../kit/parley.ts";
import { request } from "../kit/request.ts";

async function upload(server: TestServer, chat: string, body: string): Promise<string> {
  const path = `/api/v2/chats/${chat}/files?filename=a.html`;
  const response = await request(server, "POST", path, {
    body,
    headers: { "content-type": "text/html" },
  });
  return (await response.json()).url;
}

Deno.test("nobody keeps a private answer, or shows it on another site", async () => {
  await using server = await startParley();
  const chat = await server.newChat();
  const file = await upload(server, chat, "<script>alert(1)</script>");
  const paths = ["", "/messages", "/queue", "/usage", "/nothing"].map((path) =>
    `/api/v2/chats/${chat}${path}`
  );
  for (
    const path of [
      "/api/v2/chats",
      "/api/v2/users/me",
      "/api/v2/deployment/llms",
      "/api/v2/usage",
      file,
      ...paths,
    ]
  ) {
    const { headers } = await request(server, "GET", path);
    assertEquals(
      headers.get("cache-control"),
      path === file ? "private, no-cache" : "no-store",
      path,
    );
    assertEquals(headers.get("x-content-type-options"), "nosniff", path);
    assertEquals(headers.get("x-frame-options"), "DENY", path);
    assertEquals(headers.get("cross-origin-resource-policy"), "same-origin", path);
    assertStringIncludes(headers.get("content-security-policy") ?? "", "default-src 'none'", path);
    assertStringIncludes(
      headers.get("content-security-policy") ?? "",
      "frame-ancestors 'none'",
      path,
    );
  }
  const sent = await server.send(chat, "Hello");
  assertStringIncludes(sent.headers.get("cache-control") ?? "", "no-store");
  await sent.text();
  const refused = await request(server, "GET", "/api/v2/chats", { token: null });
  assertEquals([refused.status, refused.headers.get("cache-control")], [401, "no-store"]);
});

Deno.test("a file is shown to who is signed in, each time", async () => {
  await using server = await startParley({ env: { PARLEY_CORS_ORIGINS: "https://chat.example" } });
  const chat = await server.newChat();
  const file = await upload(server, chat, "hello");
  const first = await request(server, "GET", file);
  const headers = { "if-none-match": first.headers.get("etag") ?? "" };
  const policy = first.headers.get("content-security-policy") ?? "";
  assertStringIncludes(policy, "sandbox");
  assertStringIncludes(policy, "frame-ancestors 'none'");
  assertEquals(first.headers.get("cross-origin-resource-policy"), "same-site");
  assertEquals((await request(server, "GET", file, { headers })).status, 304);
  assertEquals((await request(server, "GET", file, { headers, token: null })).status, 401);
  assertEquals((await request(server, "GET", file, { headers, token: TOKENS.bob })).status, 404);
});

/** Asks over HTTP/2 with prior knowledge. */
async function askH2(
  url: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string }> {
  const session = connect(url);
  try {
    const stream = session.request(headers);
    stream.end();
    let status = 0;
    let body = "";
    stream.on("response", (head) => status = Number(head[":status"]));
    stream.setEncoding("utf8").on("data", (text: string) => body += text);
    await new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
    return { status, body };
  } finally {
    session.close();
  }
}

Deno.test("over HTTP/2 the host is :authority, and a Host beside it counts too", async () => {
  await using server = await startParley();
  const { port } = new URL(server.url);
  const cases: [number, Record<string, string>][] = [
    [200, {}],
    [200, { ":authority": `localhost:${port}` }],
    [200, { ":authority": `127.0.0.1:${port}`, host: "localhost" }],
    [421, { ":authority": "evil.example" }],
    [421, { ":authority": `evil.example:${port}` }],
    [421, { ":authority": "evil.example", host: "localhost" }],
    [421, { ":authority": "localhost", host: "evil.example" }],
    [421, { ":authority": "localhost@evil.example" }],
  ];
  for (const [expected, headers] of cases) {
    const { status, body } = await askH2(server.url, { ":path": "/healthz", ...headers });
    assertEquals(status, expected, `${JSON.stringify(headers)}: ${body}`);
  }
});

Deno.test("over HTTP/2 a page of this server may use the session cookie, another may not", async () => {
  await using server = await startParley();
  const authority = new URL(server.url).host;
  const cookie = `coder_session_token=${TOKENS.alice}`;
  for (
    const [expected, origin] of [[201, `http://${authority}`], [
      403,
      "http://evil.example",
    ]] as const
  ) {
    const head = { ":path": "/api/v2/chats", ":method": "POST", ":authority": authority };
    assertEquals((await askH2(server.url, { ...head, cookie, origin })).status, expected);
  }
});

Deno.test("a request for a host that is none is refused as any other", async () => {
  await using server = await startParley();
  const { port } = new URL(server.url);
  for (const host of ["a b", "evil.example/@localhost", "localhost#", "[::1"]) {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
    const head = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    await connection.write(new TextEncoder().encode(head));
    const buffer = new Uint8Array(100);
    const read = await connection.read(buffer) ?? 0;
    assertStringIncludes(new TextDecoder().decode(buffer.subarray(0, read)), " 4", host);
  }
});
