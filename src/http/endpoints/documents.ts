import { etag, RETAINED_304_HEADERS } from "hono/etag";
import { z } from "zod";
import type { App, RequestContext } from "../context.ts";
import { answer, component, content, describe, json } from "../describe.ts";
import { notFound } from "../failure.ts";
import type { OpenApiDocument } from "../openapi.ts";
import type { Script } from "../reference.ts";

const shared = {
  tag: "Documents",
  open: true as const,
  parameters: [component("parameters", "IfNoneMatch")],
};

const ETAG = { ETag: component("headers", "ETag") };
const unchanged = component("responses", "NotModified");

const getOpenApi = describe({
  ...shared,
  operationId: "getOpenApi",
  summary: "Get this document",
  responses: {
    200: answer(
      "An OpenAPI 3.1 document.",
      json(() => z.looseObject({ openapi: z.string() })),
      ETAG,
    ),
    304: unchanged,
  },
});

const getDocs = describe({
  ...shared,
  operationId: "getDocs",
  summary: "Read this document as a page",
  responses: { 200: answer("A page.", content("text/html", z.string), ETAG), 304: unchanged },
});

/** `GET /openapi.json`, `/docs`, and the script of that page. */
export function documents(app: App): void {
  // Browsers also apply the headers of a 304, such as the page's policy.
  const cached = etag({ retainedHeaders: [...RETAINED_304_HEADERS, "content-security-policy"] });
  const revalidate = { "cache-control": "no-cache" };

  let document: Promise<OpenApiDocument> | undefined;
  app.get("/openapi.json", getOpenApi, cached, async (c) => {
    document ??= import("../openapi.ts").then(({ openApiDocument }) => openApiDocument(app));
    const servers = [{ url: addressOf(c) }];
    return c.json({ ...await document, servers }, 200, {
      ...revalidate,
      vary: "x-forwarded-proto",
    });
  });

  let script: Promise<Script> | undefined;
  const loadedScript = async () => {
    const { loadScript } = await import("../reference.ts");
    // The npm package may be available next time.
    return await (script ??= loadScript().catch((error) => {
      script = undefined;
      throw error;
    }));
  };

  app.get("/docs", getDocs, cached, async (c) => {
    const { page, POLICY } = await import("../reference.ts");
    const { name } = await loadedScript();
    return c.html(page(name), 200, { ...revalidate, "content-security-policy": POLICY });
  });

  app.get("/docs/:script", cached, async (c) => {
    const { bytes, name } = await loadedScript();
    if (c.req.param("script") !== name) throw notFound();
    const headers = {
      etag: `"${name}"`,
      vary: "accept-encoding",
      "content-type": "text/javascript; charset=utf-8",
      "cache-control": "public, max-age=31536000, immutable",
    };
    if (c.req.header("accept-encoding")?.includes("gzip")) {
      return c.body(bytes, 200, { ...headers, "content-encoding": "gzip" });
    }
    return c.body(unzipped(bytes), 200, headers);
  });
}

/** The address that the client used; `/`, which means the same, if that cannot be told. */
function addressOf(c: RequestContext): string {
  const host = c.req.header("host") ?? "";
  if (!/^([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i.test(host)) return "/";
  // A proxy that terminates TLS says so.
  return `${c.req.header("x-forwarded-proto") === "https" ? "https" : "http"}://${host}`;
}

function unzipped(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
}
