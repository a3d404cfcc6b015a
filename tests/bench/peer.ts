/** The baseline, a minimal server on the same runtime: `peer.ts PROVIDER` forwards streams. */
import { Hono } from "hono";

const [provider] = Deno.args;
const app = new Hono();
app.post("*", async (c) => {
  const response = await fetch(provider + c.req.path, {
    method: "POST",
    body: await c.req.text(),
    headers: { "content-type": "application/json" },
  });
  return new Response(response.body, response);
});
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) =>
    Deno.stdout.writeSync(new TextEncoder().encode(`listens on http://127.0.0.1:${port}\n`)),
}, app.fetch);
