import { etag, RETAINED_304_HEADERS } from "hono/etag";
import type { App } from "./context.ts";
import type { OpenApiDocument } from "./openapi.ts";
import type { DocsPage } from "./docs.ts";

/** The OpenAPI document and its reference page, both made when they are first asked for. */
export function documentRoutes(app: App): void {
  let document: Promise<OpenApiDocument> | undefined;
  const getDocument = () =>
    document ??= import("./openapi.ts").then(({ openApiDocument }) => openApiDocument());

  let page: Promise<DocsPage> | undefined;
  const getPage = () =>
    page ??= Promise.all([import("./docs.ts"), getDocument()])
      .then(([{ renderDocs }, document]) => renderDocs(document));

  // A browser takes the headers of a 304 over: one without the page's policy would undo its style.
  const cached = etag({ retainedHeaders: [...RETAINED_304_HEADERS, "content-security-policy"] });
  const revalidate = { "cache-control": "no-cache" };

  app.get("/openapi.json", cached, async (c) => c.json(await getDocument(), 200, revalidate));

  app.get("/docs", cached, async (c) => {
    const { html, policy } = await getPage();
    return c.html(html, 200, { ...revalidate, "content-security-policy": policy });
  });

  app.get("/", (c) => c.redirect("/docs"));
}
