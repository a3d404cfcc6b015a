import { Hono } from "hono";
import { cors } from "hono/cors";
import type { MiddlewareHandler } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { AppError } from "../domain/errors.ts";
import { SIGN_IN_PATH } from "../domain/tool.ts";
import { authenticate, authorityOf, TOKEN_HEADER } from "./auth.ts";
import type { App, Env, HttpParts } from "./context.ts";
import { approvals } from "./endpoints/approvals.ts";
import { chat } from "./endpoints/chat.ts";
import { chats } from "./endpoints/chats.ts";
import { createMessage } from "./endpoints/create_message.ts";
import { deployment } from "./endpoints/deployment.ts";
import { documents } from "./endpoints/documents.ts";
import { files } from "./endpoints/files.ts";
import { listMessages } from "./endpoints/list_messages.ts";
import { resumeStream } from "./endpoints/resume_stream.ts";
import { root } from "./endpoints/root.ts";
import { runs } from "./endpoints/runs.ts";
import { tools } from "./endpoints/tools.ts";
import { usage } from "./endpoints/usage.ts";
import { watchChats } from "./endpoints/watch_chats.ts";
import { failureOf, HttpError, notFound } from "./failure.ts";

/** All endpoints, in the order of the documentation. */
const ENDPOINTS: readonly ((app: App, parts: HttpParts) => void)[] = [
  chats,
  // Before the routes of a single chat: its path looks like the path of a chat.
  watchChats,
  chat,
  listMessages,
  createMessage,
  files,
  resumeStream,
  runs,
  tools,
  approvals,
  usage,
  deployment,
  documents,
  root,
];

/** The largest headers of a request, in characters. */
const MAX_HEADERS = 32 * 1024;

/** Paths of the API that need no token. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/api/v2/buildinfo", SIGN_IN_PATH]);

/** Methods that change nothing, and the path of what stops an answer. */
const READING: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const STOP = /^\/api\/v2\/chats\/[^/]+\/stop$/;

/** Paths that are asked every few seconds, and logged as `debug`. */
const HEALTH_PATHS: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

/** The HTTP application. */
export function createHttp(parts: HttpParts): App {
  const app: App = new Hono<Env>();
  app.use(observe(parts), secure(parts), guard(parts));
  if (parts.corsOrigins.length > 0) app.use(allowOrigins(parts.corsOrigins));
  const auth = authenticate(parts);
  app.use(
    "/api/v2/*",
    keepPrivate,
    (c, next) => OPEN_PATHS.has(c.req.path) ? next() : auth(c, next),
  );
  app.use(answerOtherMethods(app), refuseChanges(parts));
  for (const endpoint of ENDPOINTS) endpoint(app, parts);

  app.notFound(() => failureOf(notFound()));
  app.onError((error, c) => {
    const response = failureOf(error);
    if (response.status === 500 || response.status === 507) {
      parts.log.log("error", "request failed", {
        request: c.var.requestId,
        reason: reasonOf(error),
      });
    }
    return response;
  });
  return app;
}

/**
 * Gives each request an id and one log line, which never has its contents, its query or its token.
 * `hono/request-id` rejects ids with dots, and loses its header on some responses.
 */
function observe(
  { clock, ids, log }: Pick<HttpParts, "clock" | "ids" | "log">,
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const given = c.req.header("x-request-id");
    const requestId = given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : ids.uuid();
    c.set("requestId", requestId);
    const begun = clock.elapsed();
    await next();
    c.var.handled?.();
    // Hono drops the body of a HEAD without cancelling it.
    if (c.req.raw.method === "HEAD") await c.res.body?.cancel();
    const { headers } = c.res;
    headers.set("x-request-id", requestId);
    log.log(HEALTH_PATHS.has(c.req.path) ? "debug" : "info", "request", {
      request: requestId,
      method: c.req.method,
      path: c.req.path.slice(0, 200),
      status: c.res.status,
      ms: Math.round(clock.elapsed() - begun),
      user: c.var.principal?.username,
      run: headers.get("parley-run-id") ?? undefined,
    });
  };
}

/** Adds security headers for browsers. A route may set its own policy. */
function secure({ corsOrigins }: Pick<HttpParts, "corsOrigins">): MiddlewareHandler {
  return secureHeaders({
    overwrite: false,
    contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    // A page of an allowed origin that is of this site may show files.
    crossOriginResourcePolicy: corsOrigins.length === 0 ? "same-origin" : "same-site",
    // This header is up to the proxy that terminates TLS.
    strictTransportSecurity: false,
    xFrameOptions: "DENY",
    xDownloadOptions: false,
    xPermittedCrossDomainPolicies: false,
    xXssProtection: false,
  });
}

/** Lets nobody keep what only its user may see, unless a route says otherwise. */
const keepPrivate: MiddlewareHandler = async (c, next) => {
  await next();
  if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
};

/** Refuses headers that are too large, and unknown hosts, which DNS rebinding would use. */
function guard({ hosts }: Pick<HttpParts, "hosts">): MiddlewareHandler<Env> {
  return async (c, next) => {
    let size = c.req.url.length;
    c.req.raw.headers.forEach((value, name) => size += name.length + value.length);
    if (size > MAX_HEADERS) {
      throw new HttpError(431, "The request's headers are too large", {
        detail: `Expected at most ${MAX_HEADERS} characters, URL included.`,
      });
    }
    // HTTP/2 has the host in `:authority`, which the runtime shows as the URL's; a Host beside it counts too.
    const named = [c.req.header("host") ?? authorityOf(c), authorityOf(c)].map(hostName);
    const foreign = hosts && named.find((host) => !hosts.has(host));
    if (foreign !== undefined) {
      throw new HttpError(421, "This server does not answer for that host", {
        detail: `Found Host ${JSON.stringify(foreign.slice(0, 100))}. ` +
          "To allow it, add it to PARLEY_ALLOWED_HOSTS.",
      });
    }
    await next();
  };
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, "").toLowerCase();
}

function allowOrigins(origins: string[]): MiddlewareHandler {
  return cors({
    origin: origins,
    credentials: true,
    allowMethods: ["GET", "POST", "PATCH", "DELETE"],
    allowHeaders: [
      TOKEN_HEADER,
      "Authorization",
      "Content-Type",
      "Idempotency-Key",
      "Last-Event-ID",
    ],
    exposeHeaders: ["Link", "Location", "Parley-Run-Id", "Retry-After", "X-Request-Id"],
    maxAge: 600,
  });
}

/**
 * Answers 405 with `Allow` for a path that has other methods; `OPTIONS` lists them. Comes before the
 * endpoints: of all routes that fit a path the most literal one counts, and `/chats/watch` is no
 * `/chats/:chat`.
 */
function answerOtherMethods(app: App): MiddlewareHandler<Env> {
  let routes: readonly PathMethods[] | undefined;
  return async (c, next) => {
    const segments = c.req.path.split("/");
    const fitting = (routes ??= pathsOf(app)).find((route) => fits(segments, route));
    if (!fitting || fitting.methods.has(c.req.method)) return await next();
    const allow = [...fitting.methods, "OPTIONS"].sort().join(", ");
    if (c.req.method === "OPTIONS") return c.body(null, 204, { allow });
    throw new HttpError(405, "Method not allowed", {
      detail: `Expected ${allow}, found ${c.req.method}.`,
      headers: { allow },
    });
  };
}

/** Refuses what changes something while that might be lost. An answer can be stopped all the same. */
function refuseChanges({ health }: Pick<HttpParts, "health">): MiddlewareHandler<Env> {
  return async (c, next) => {
    const { method, path } = c.req;
    if (!READING.has(method) && !STOP.test(path)) await health.check();
    await next();
  };
}

/** The path of an endpoint, and the methods that it has. */
interface PathMethods {
  segments: readonly string[];
  methods: ReadonlySet<string>;
}

/** The paths of all endpoints; of two that fit the same path, the more literal one comes first. */
function pathsOf(app: App): PathMethods[] {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set();
    known.add(method);
    if (method === "GET") known.add("HEAD");
    methods.set(path, known);
  }
  const literalFirst = (path: string) => path.replaceAll("/:", "/\uffff");
  return [...methods]
    .sort(([a], [b]) => literalFirst(a) < literalFirst(b) ? -1 : 1)
    .map(([path, methods]) => ({ segments: path.split("/"), methods }));
}

function fits(segments: readonly string[], route: PathMethods): boolean {
  return segments.length === route.segments.length &&
    route.segments.every((expected, at) =>
      expected.startsWith(":") ? segments[at] !== "" : expected === segments[at]
    );
}

/** What went wrong: in one line, unless nobody expected it. */
function reasonOf(error: Error): string {
  if (!(error instanceof AppError)) return error.stack ?? error.message;
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
