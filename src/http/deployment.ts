import { VERSION } from "../version.ts";
import type { App, HttpParts } from "./context.ts";

/** Who one is, what this is, and whether it is well. */
export function deploymentRoutes(app: App, { ping }: HttpParts): void {
  app.get("/api/v2/users/me", (c) => {
    const { id, username } = c.var.principal;
    return c.json({ id, username, name: username });
  });

  app.get("/api/v2/buildinfo", (c) =>
    c.json({
      version: `v${VERSION}+parley`,
      external_url: "",
    }));

  app.get("/healthz", (c) => c.text("OK"));

  app.get("/readyz", async (c) => {
    await ping();
    return c.text("OK");
  });
}
