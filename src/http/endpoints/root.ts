import { z } from "zod";
import { VERSION } from "../../version.ts";
import type { App } from "../context.ts";
import { answer, content, describe, json } from "../describe.ts";

const ABOUT = {
  name: "Parley",
  description: "A chat backend: it streams answers of language models, and keeps the chats.",
  version: VERSION,
  docs: "/docs",
  openapi: "/openapi.json",
};

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

const PAGE = `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,">
    <title>Parley</title>
    <style>
      body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1rem }
    </style>
  </head>
  <body>
    <h1>Parley</h1>
    <p>${ABOUT.description} Programs use its API; there is no chat to see here.</p>
    <ul>
      <li><a href="/docs">API reference</a>, with requests to try</li>
      <li><a href="/openapi.json">OpenAPI document</a></li>
      <li><a href="/readyz">Health</a></li>
    </ul>
    <p><small>Version ${VERSION}</small></p>
  </body>
</html>
`;

const aboutSchema = () =>
  z.object({
    name: z.string(),
    description: z.string(),
    version: z.string(),
    docs: z.string().meta({ description: "The path of the API reference." }),
    openapi: z.string().meta({ description: "The path of the OpenAPI document." }),
  }).meta({ id: "About" });

const getRoot = describe({
  tag: "Documents",
  open: true,
  operationId: "getRoot",
  summary: "See what this server is",
  description: "A page for browsers, JSON for everybody else.",
  responses: {
    200: answer("What it is, and where its API is described.", {
      ...json(aboutSchema, ABOUT),
      ...content("text/html", z.string),
    }),
  },
});

/** `GET /`. */
export function root(app: App): void {
  app.get("/", getRoot, (c) => {
    const headers = { "cache-control": "no-cache", vary: "accept" };
    if (!c.req.header("accept")?.includes("text/html")) return c.json(ABOUT, 200, headers);
    return c.html(PAGE, 200, { ...headers, "content-security-policy": POLICY });
  });
}
