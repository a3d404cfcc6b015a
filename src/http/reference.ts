/** The reference page: Scalar over `/openapi.json`, served by Parley alone. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";

/** Scalar's package with one built script; its source packages need 299 others. */
const LIBRARY = "@scalar/fastify-api-reference";

/** The compressed script, which `src/build/compile.ts` puts next to the bundle. */
export const SCRIPT_FILE = "reference.js.gz";

/** The page loads only its own script, which contains the styles. */
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; " +
  "img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

/** Scalar's settings: no requests to other servers, and no links to them. */
const SETTINGS = {
  agent: { disabled: true },
  authentication: { preferredSecurityScheme: "header" },
  hideClientButton: true,
  mcp: { disabled: true },
  modelsSectionLabel: "Schemas",
  // The page's own address, which a proxy may hide from Parley.
  servers: [{ url: "/" }],
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
};

/** The page's script, compressed, and the name that it is served under. */
export interface Script {
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Reads the page's script: next to the bundle in the binary; otherwise from the npm package. */
export async function loadScript(): Promise<Script> {
  const embedded = Deno.readFile(`${import.meta.dirname}/${SCRIPT_FILE}`);
  const bytes = await embedded.catch(() => compressedScript());
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  return { name: `reference-${hash}.js`, bytes };
}

/** The page with the script of that name. */
export function page(scriptName: string): string {
  const settings = JSON.stringify(SETTINGS).replaceAll('"', "&quot;");
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,">
    <title>Parley: API reference</title>
  </head>
  <body>
    <noscript>This page needs JavaScript. Programs read <a href="/openapi.json">OpenAPI</a>.</noscript>
    <script id="api-reference" data-url="/openapi.json" data-configuration="${settings}"></script>
    <script src="/docs/${scriptName}"></script>
  </body>
</html>
`;
}

/** The compressed script from the npm package. */
export async function compressedScript(): Promise<Uint8Array<ArrayBuffer>> {
  // A variable keeps bundlers from following the import: the binary embeds only the script.
  const { default: plugin } = await import(LIBRARY);
  let source = "";
  const reply = { header: () => reply, send: (body: string) => source = body };
  // The package gives its script only to a Fastify route.
  plugin(
    {
      route({ url, handler }: { url: string; handler: (request: object, to: object) => void }) {
        if (url.endsWith(".js")) handler({}, reply);
      },
    },
    { configuration: { url: "/openapi.json" } },
    () => {},
  );
  return new Uint8Array(gzipSync(source, { level: 9 }));
}
