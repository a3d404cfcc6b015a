/** The document says what the routes are, is sound, and its page shows all of it by itself. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { renderDocs } from "../../src/http/docs.ts";
import { type OpenApiDocument, openApiDocument } from "../../src/http/openapi.ts";
import { startParley, type TestServer } from "../kit/parley.ts";

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
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  const documented = operationsOf(openApiDocument())
    .map(({ method, path }) => `${method.toUpperCase()} ${path}`);
  assertEquals(documented.sort(), [...new Set(routes)].sort());
});

Deno.test("the document is made anew each time, and always the same", () => {
  const first = openApiDocument();
  assert(first !== openApiDocument());
  assertEquals(JSON.stringify(openApiDocument()), JSON.stringify(first));
});

Deno.test("every reference resolves, and every component is referred to", () => {
  const document = openApiDocument();
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

Deno.test("every operation is named, tagged, answers, and declares its path's parameters", () => {
  const document = openApiDocument();
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
  for (const { method, path, requestBody } of operationsOf(openApiDocument())) {
    const { example, examples = {} } = requestBody?.content["application/json"] ?? {};
    const bodies = Object.values(examples).map(({ value }) => value);
    for (const body of example === undefined ? bodies : [example]) {
      const chat = await server.newChat();
      await (await server.send(chat, "Hello")).text();
      const url = path.replace("{chat}", chat);
      const response = await server.ask(method.toUpperCase(), url, { body });
      assert(response.ok, `${method} ${path} answered ${response.status}`);
      await response.body?.cancel();
    }
  }
});

Deno.test("the document is served as JSON, to anyone", async () => {
  await using server = await startParley();
  const response = await server.ask("GET", "/openapi.json", { token: null });
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("cache-control"), "no-cache");
  assertMatch(response.headers.get("content-type") ?? "", /^application\/json/);
  assertEquals(await response.json(), JSON.parse(JSON.stringify(openApiDocument())));
});

Deno.test("whoever has the document or its page is not sent it again", async () => {
  await using server = await startParley();
  for (const path of ["/openapi.json", "/docs"]) {
    const etag = await etagOf(server, path);
    const known = { token: null, headers: { "if-none-match": `"other", W/${etag}` } };
    const unchanged = await server.ask("GET", path, known);
    assertEquals(unchanged.status, 304, path);
    assertEquals(await unchanged.text(), "");
    assertEquals(unchanged.headers.get("etag"), etag);
    assertEquals(unchanged.headers.get("cache-control"), "no-cache");
    const other = { token: null, headers: { "if-none-match": '"other"' } };
    const sent = await server.ask("GET", path, other);
    assertEquals(sent.status, 200, path);
    await sent.body?.cancel();
  }
});

Deno.test("the page's policy allows its own style alone, on a 304 too", async () => {
  await using server = await startParley();
  const response = await server.ask("GET", "/docs", { token: null });
  const policy = response.headers.get("content-security-policy") ?? "";
  const style = /<style>([^]*?)<\/style>/.exec(await response.text())?.[1] ?? "";
  const hash = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style)),
  );
  assertStringIncludes(policy, "default-src 'none'");
  assertStringIncludes(policy, "frame-ancestors 'none'");
  assertStringIncludes(policy, `style-src 'sha256-${btoa(String.fromCharCode(...hash))}'`);
  const etag = response.headers.get("etag") ?? "";
  const unchanged = await server.ask("GET", "/docs", { headers: { "if-none-match": etag } });
  assertEquals(unchanged.headers.get("content-security-policy"), policy);
});

Deno.test("the page shows every operation and needs nothing else", async () => {
  await using server = await startParley();
  const page = await (await server.ask("GET", "/docs", { token: null })).text();
  assert(!/<(script|link|img|iframe|object|embed)\b/i.test(page), "it loads something");
  assert(!/@import|url\(/i.test(page), "its style loads something");
  assert(!/\s(src|srcset|style|on\w+)=/i.test(page), "it has what its policy forbids");
  for (const { method, path, operationId, summary } of operationsOf(openApiDocument())) {
    assertStringIncludes(page, `<article id="${operationId}"`);
    assertStringIncludes(page, `<span class="method ${method}">${method}</span>`);
    assertStringIncludes(page, `<code>${path}</code>`);
    assertStringIncludes(page, `>${summary?.replaceAll("'", "&#39;")}</a>`);
  }
});

Deno.test("the page escapes whatever the document holds", async () => {
  const hostile = `<script>"'&</script>`;
  const prose = ["title", "version", "summary", "description", "example"];
  const document = JSON.stringify(
    openApiDocument(),
    (key, value) => typeof value === "string" && prose.includes(key) ? hostile : value,
  );
  const { html } = await renderDocs(JSON.parse(document));
  assert(!html.includes("<script"), "it lets a tag through");
  assertStringIncludes(html, "&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;");
});

Deno.test("every link in the page leads somewhere in it, and no id is there twice", async () => {
  await using server = await startParley();
  const page = await (await server.ask("GET", "/docs", { token: null })).text();
  const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert(unique(ids), "an id is there twice");
  for (const [, target] of page.matchAll(/\shref="#([^"]*)"/g)) {
    assert(ids.includes(target), `#${target} leads nowhere`);
  }
});

Deno.test("the root leads to the page", async () => {
  await using server = await startParley();
  const response = await server.ask("GET", "/", { token: null });
  assertEquals(response.status, 302);
  assertEquals(response.headers.get("location"), "/docs");
});

async function etagOf(server: TestServer, path: string): Promise<string> {
  const response = await server.ask("GET", path, { token: null });
  await response.body?.cancel();
  const etag = response.headers.get("etag") ?? "";
  assertMatch(etag, /^"[^"]+"$/);
  return etag;
}
