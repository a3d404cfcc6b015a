import { Hono } from "hono";
import { cors } from "hono/cors";
import type { MiddlewareHandler } from "hono";
import { AppError } from "../domain/errors.ts";
import { authenticate, TOKEN_HEADER } from "./auth.ts";
import { chatRoutes } from "./chats.ts";
import type { App, Env, HttpParts } from "./context.ts";
import { deploymentRoutes } from "./deployment.ts";
import { documentRoutes } from "./documents.ts";
import { asAppError, failureResponse, notFound } from "./failure.ts";
import { fileRoutes } from "./files.ts";
import { messageRoutes } from "./messages.ts";
import { modelRoutes } from "./models.ts";
import { runRoutes } from "./runs.ts";
import { usageRoutes } from "./usage.ts";
import { watchRoutes } from "./watch.ts";

/** The largest headers of a request, in characters. */
const MAX_HEADERS = 32 * 1024;

/** Paths of the API that need no token. */
const OPEN_PATHS: ReadonlySet<string> = new Set(["/api/v2/buildinfo"]);

/** The HTTP application. */
export function createHttp(parts: HttpParts): App {
  const app: App = new Hono<Env>();
  app.use(observe(parts));
  app.use(guard(parts));
  if (parts.corsOrigins.length > 0) app.use(allowOrigins(parts.corsOrigins));
  const auth = authenticate(parts);
  app.use("/api/v2/*", (c, next) => OPEN_PATHS.has(c.req.path) ? next() : auth(c, next));

  // Before the routes of a single chat: its path is like an id.
  watchRoutes(app, parts);
  chatRoutes(app, parts);
  messageRoutes(app, parts);
  runRoutes(app, parts);
  fileRoutes(app, parts);
  usageRoutes(app, parts);
  modelRoutes(app, parts);
  deploymentRoutes(app, parts);
  documentRoutes(app);
  answerOtherMethods(app);

  app.notFound(() => failureResponse(notFound()));
  app.onError((error, c) => {
    const failure = asAppError(error);
    if (failure.code === "internal" || failure.code.startsWith("storage")) {
      parts.log.log("error", "request failed", {
        request: c.var.requestId,
        reason: reasonOf(failure),
      });
    }
    return failureResponse(failure);
  });
  return app;
}

/** Gives each request an id and one log line: never its contents, its query or its token. */
function observe({ clock, ids, log }: HttpParts): MiddlewareHandler<Env> {
  return async (c, next) => {
    const given = c.req.header("x-request-id");
    const requestId = given !== undefined && /^[\w.-]{1,64}$/.test(given) ? given : ids.uuid();
    c.set("requestId", requestId);
    const begun = clock.now();
    await next();
    // Hono drops the body of a HEAD: what stands behind it must know.
    if (c.req.raw.method === "HEAD") await c.res.body?.cancel();
    const { headers } = c.res;
    headers.set("x-request-id", requestId);
    headers.set("x-content-type-options", "nosniff");
    headers.set("referrer-policy", "no-referrer");
    if (!headers.has("content-security-policy")) {
      headers.set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    }
    log.log("info", "request", {
      request: requestId,
      method: c.req.method,
      path: c.req.path.slice(0, 200),
      status: c.res.status,
      ms: clock.now() - begun,
      user: c.var.principal?.username,
      run: headers.get("parley-run-id") ?? undefined,
    });
  };
}

/** Refuses requests that are too large in their head, or that a foreign page made by a DNS trick. */
function guard({ hosts }: HttpParts): MiddlewareHandler<Env> {
  return async (c, next) => {
    let size = c.req.url.length;
    c.req.raw.headers.forEach((value, name) => size += name.length + value.length);
    if (size > MAX_HEADERS) {
      throw new AppError("headers_too_large", "The request's headers are too large", {
        detail: `Expected at most ${MAX_HEADERS} characters, URL included.`,
      });
    }
    if (hosts) {
      const host = hostName(c.req.header("host") ?? "");
      if (!hosts.has(host)) {
        throw new AppError("misdirected", "This server does not answer for that host", {
          detail: `Found Host ${JSON.stringify(host.slice(0, 100))}. ` +
            "Add it to PARLEY_ALLOWED_HOSTS if it is meant.",
        });
      }
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

/** 405 with `Allow` for a path that is known by other methods; `OPTIONS` lists them. */
function answerOtherMethods(app: App): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set(["OPTIONS"]);
    known.add(method);
    if (method === "GET") known.add("HEAD");
    methods.set(path, known);
  }
  for (const [path, known] of methods) {
    const allow = [...known].sort().join(", ");
    app.all(path, (c) => {
      if (c.req.method === "OPTIONS") return c.body(null, 204, { allow });
      throw new AppError("method_not_allowed", "Method not allowed", {
        detail: `Expected ${allow}, found ${c.req.method}.`,
        headers: { allow },
      });
    });
  }
}

function reasonOf(failure: AppError): string {
  const cause = failure.cause;
  return cause instanceof Error ? cause.stack ?? cause.message : failure.message;
}
