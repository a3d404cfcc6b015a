/** The document matches the routes and is sound, and its page needs nothing from outside. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { gunzipSync } from "node:zlib";
import { createApp } from "../../src/app.ts";
import { readConfig } from "../../src/config/config.ts";
import { type OpenApiDocument, openApiDocument } from "../../src/http/openapi.ts";
import { MIGRATIONS } from "../kit/database.ts";
import { startParley, type TestServer } from "../kit/parley.ts";
import { request } from "../kit/request.ts";

interface Operation {
  method: string;
  path: string;
  operationId?: string;
  summary?: string;
  tags?: string[];
  parameters?: { $ref?: string; name?: string; in?: string }[];
  requestBody?: { content: Record<string, Media> };
  responses?: Record<string, { $ref?: string; description?: string }>;
}

interface Media {
  example?: unknown;
  examples?: Record<string, { value: unknown }>;
}

function operationsOf(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, ...operation as object }))
  );
}

function documentOf(server: TestServer): Promise<OpenApiDocument> {
  return openApiDocument(server.parley.app);
}

/** What a `$ref` points at; undefined for nothing. */
function lookUp(document: OpenApiDocument, $ref: string): unknown {
  return $ref.replace(/^#\//, "").split("/").reduce<unknown>(
    (at, key) => (at as Record<string, unknown> | undefined)?.[key],
    document,
  );
}

/** Calls `visit` with each object in a value. */
function walk(value: unknown, visit: (object: Record<string, unknown>) => void): void {
  if (typeof value !== "object" || value === null) return;
  visit(value as Record<string, unknown>);
  for (const child of Object.values(value)) walk(child, visit);
}

function unique(names: (string | undefined)[]): boolean {
  return names.every((name) => name !== undefined) && new Set(names).size === names.length;
}

Deno.test("the document has the routes of the app, and no others", async () => {
  await using server = await startParley();
  const routes = server.parley.app.routes
    // The page's own script is no part of the API.
    .filter(({ method, path }) => method !== "ALL" && !path.startsWith("/docs/"))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  const documented = operationsOf(await documentOf(server))
    .map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assertEquals(documented.sort(), [...new Set(routes)].sort());
});

Deno.test("the document is always the same", async () => {
  await using server = await startParley();
  const first = await documentOf(server);
  assertEquals(JSON.stringify(await documentOf(server)), JSON.stringify(first));
});

Deno.test("every reference resolves, and every component is referred to", async () => {
  await using server = await startParley();
  const document = await documentOf(server);
  const used = new Set<string>();
  walk(document, ({ $ref }) => {
    if (typeof $ref !== "string") return;
    assert(lookUp(document, $ref) !== undefined, `${$ref} leads nowhere`);
    used.add($ref);
  });
  for (const [kind, named] of Object.entries(document.components ?? {})) {
    if (kind === "securitySchemes") continue;
    for (const name of Object.keys(named as object)) {
      assert(used.has(`#/components/${kind}/${name}`), `${kind}/${name} is not used`);
    }
  }
});

Deno.test("every operation is named, tagged, answers, and declares its path's parameters", async () => {
  await using server = await startParley();
  const document = await documentOf(server);
  assertMatch(document.openapi, /^3\.1\./);
  const operations = operationsOf(document);
  assert(unique(operations.map(({ operationId }) => operationId)), "operationIds are not unique");
  const tags = document.tags?.map(({ name }) => name) ?? [];
  for (const { method, path, summary, parameters = [], responses = {}, ...rest } of operations) {
    const where = `${method} ${path}`;
    assert(summary, `${where} has no summary`);
    assert(rest.tags?.length === 1 && tags.includes(rest.tags[0]!), `${where} has no known tag`);
    assert(Object.keys(responses).some((status) => status < "400"), `${where} never succeeds`);
    for (const response of Object.values(responses)) {
      assert(response.$ref || response.description, `${where} has an answer without a description`);
    }
    const declared = parameters
      .map((parameter) => parameter.$ref ? lookUp(document, parameter.$ref) : parameter)
      .filter((parameter) => (parameter as { in: string }).in === "path")
      .map((parameter) => (parameter as { name: string }).name);
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assertEquals(declared, named, where);
  }
});

Deno.test("the bodies that the document gives as examples are taken", async () => {
  await using server = await startParley();
  for (const { method, path, requestBody } of operationsOf(await documentOf(server))) {
    const { example, examples = {} } = requestBody?.content["application/json"] ?? {};
    const bodies = Object.values(examples).map(({ value }) => value);
    for (const body of example === undefined ? bodies : [example]) {
      const chat = await server.newChat();
      await (await server.send(chat, "An approval, please")).text();
      const { approvals } = await (await server.ask("GET", "/api/v2/approvals")).json();
      const url = path.replace("{chat}", chat).replace("{approval}", approvals[0].id);
      const response = await request(server, method.toUpperCase(), url, { body });
      assert(response.ok, `${method} ${path} answered ${response.status}`);
      await response.body?.cancel();
    }
  }
});

Deno.test("the document is served as JSON, to anyone", async () => {
  await using server = await startParley();
  const response = await request(server, "GET", "/openapi.json", { token: null });
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("cache-control"), "no-cache");
  assertMatch(response.headers.get("content-type") ?? "", /^application\/json/);
  const { servers: _, ...document } = await response.json();
  const { servers: __, ...expected } = await documentOf(server);
  assertEquals(document, JSON.parse(JSON.stringify(expected)));
});

Deno.test("whoever has the document or its page is not sent it again", async () => {
  await using server = await startParley();
  for (const path of ["/openapi.json", "/docs"]) {
    const etag = await etagOf(server, path);
    const known = { token: null, headers: { "if-none-match": `"other", W/${etag}` } };
    const unchanged = await request(server, "GET", path, known);
    assertEquals(unchanged.status, 304, path);
    assertEquals(await unchanged.text(), "");
    assertEquals(unchanged.headers.get("etag"), etag);
    assertEquals(unchanged.headers.get("cache-control"), "no-cache");
    const other = { token: null, headers: { "if-none-match": '"other"' } };
    const sent = await request(server, "GET", path, other);
    assertEquals(sent.status, 200, path);
    await sent.body?.cancel();
  }
});

Deno.test("the page may load only from its own server, on a 304 too", async () => {
  await using server = await startParley();
  const response = await request(server, "GET", "/docs", { token: null });
  const policy = response.headers.get("content-security-policy") ?? "";
  await response.body?.cancel();
  assertStringIncludes(policy, "default-src 'none'");
  assertStringIncludes(policy, "script-src 'self';");
  assertStringIncludes(policy, "connect-src 'self';");
  assertStringIncludes(policy, "frame-ancestors 'none'");
  assert(!/https?:|\*|unsafe-eval/.test(policy), policy);
  const etag = response.headers.get("etag") ?? "";
  const unchanged = await request(server, "GET", "/docs", { headers: { "if-none-match": etag } });
  assertEquals(unchanged.headers.get("content-security-policy"), policy);
});

Deno.test("the page loads one script, compressed if the client can read that, and for good", async () => {
  await using server = await startParley();
  const page = await (await request(server, "GET", "/docs", { token: null })).text();
  const sources = [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, source]) => source!);
  const path = sources.find((source) => source.endsWith(".js")) ?? "";
  assertEquals(sources.toSorted(), ["/openapi.json", "data:,", path].toSorted());
  const get = (headers: Record<string, string>) =>
    server.parley.app.request(path, { headers: { host: "127.0.0.1", ...headers } });
  const packed = await get({ "accept-encoding": "gzip, deflate" });
  assertEquals(packed.headers.get("content-encoding"), "gzip");
  assertStringIncludes(packed.headers.get("cache-control") ?? "", "immutable");
  const bytes = new Uint8Array(await packed.arrayBuffer());
  assert(bytes.length < 1_600_000, `${bytes.length} bytes`);
  const plain = await get({});
  assertEquals(plain.headers.get("content-encoding"), null);
  assertEquals(await plain.text(), new TextDecoder().decode(gunzipSync(bytes)));
  const known = await get({ "if-none-match": packed.headers.get("etag") ?? "" });
  assertEquals(known.status, 304);
  assertEquals((await request(server, "GET", "/docs/reference-0.js", { token: null })).status, 404);
});

Deno.test("the root says what the server is, in the reader's own terms", async () => {
  await using server = await startParley();
  const get = (accept?: string) =>
    request(server, "GET", "/", { token: null, ...(accept && { headers: { accept } }) });
  for (const accept of [undefined, "*/*", "application/json"]) {
    const about = await (await get(accept)).json();
    assertEquals([about.name, about.docs, about.openapi], ["Parley", "/docs", "/openapi.json"]);
  }
  const response = await get("text/html,application/xhtml+xml,*/*;q=0.8");
  assertEquals(response.headers.get("vary"), "accept");
  assertMatch(response.headers.get("content-security-policy") ?? "", /^default-src 'none'/);
  const page = await response.text();
  assert(page.length < 2_000, `${page.length} characters`);
  assertStringIncludes(page, 'content="light dark"');
  const links = [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, link]) => link!);
  assertEquals(links, ["data:,", "/docs", "/openapi.json", "/readyz"]);
});

Deno.test("the document names the address that it was asked at", async () => {
  await using server = await startParley({ env: { PARLEY_ALLOWED_HOSTS: "chat.example.com" } });
  const url = async (headers: Record<string, string>) => {
    const response = await server.parley.app.request("/openapi.json", { headers });
    return (await response.json()).servers[0].url;
  };
  assertEquals(await url({ host: "127.0.0.1:4321" }), "http://127.0.0.1:4321");
  assertEquals(await url({ host: "[::1]:80" }), "http://[::1]:80");
  const behind = { host: "chat.example.com", "x-forwarded-proto": "https" };
  assertEquals(await url(behind), "https://chat.example.com");
  // Others than proxies can say that, too.
  const forged = {
    host: "localhost",
    "x-forwarded-proto": "javascript",
    "x-forwarded-host": "evil",
  };
  assertEquals(await url(forged), "http://localhost");
  // Away from loopback anybody may ask, by any name.
  const flags = { data: server.dataDir, "database-url": `file:${server.dataDir}/open.db` };
  const config = readConfig({
    flags: { ...flags, listen: "0.0.0.0:0" },
    env: {},
    readFile: Deno.readTextFileSync,
  });
  const open = await createApp(config, MIGRATIONS, { write: () => {} });
  for (const host of ['a"b', "a/b", "a b", "a@b", "a:b", ""]) {
    const response = await open.app.request("/openapi.json", { headers: { host } });
    assertEquals((await response.json()).servers[0].url, "/", host);
  }
  await open.close();
});

async function etagOf(server: TestServer, path: string): Promise<string> {
  const response = await request(server, "GET", path, { token: null });
  await response.body?.cancel();
  const etag = response.headers.get("etag") ?? "";
  assertMatch(etag, /^"[^"]+"$/);
  return etag;
}
