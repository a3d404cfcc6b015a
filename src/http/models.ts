import type { App, HttpParts } from "./context.ts";

/** The models that a request may name. */
export function modelRoutes(app: App, { catalog }: HttpParts): void {
  app.get("/api/v2/deployment/llms", async (c) => {
    const models = await catalog.list();
    return c.json({
      models: models.map(({ id, displayName, provider }) => ({
        id,
        display_name: displayName,
        provider,
      })),
    });
  });
}
