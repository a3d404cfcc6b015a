import type { App } from "./context.ts";

/** The OpenAPI document and its reference page. */
export function documentRoutes(app: App): void {
  app.get("/", (c) => c.redirect("/docs"));
}
