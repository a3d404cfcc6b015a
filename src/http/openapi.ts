/** The OpenAPI document: the routes' descriptions and their shared components. */
import { generateSpecs } from "hono-openapi";
import { VERSION } from "../version.ts";
import { answerStream } from "./answer.ts";
import { TOKEN_COOKIE, TOKEN_HEADER } from "./auth.ts";
import { CHAT_EXAMPLE } from "./chat.ts";
import type { App } from "./context.ts";
import {
  type Answer,
  answer,
  component,
  type Description,
  failure,
  header,
  headerParameter,
  pathParameter,
} from "./describe.ts";

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = Awaited<ReturnType<typeof generateSpecs>>;

const etag = { ETag: component("headers", "ETag") };
const retry = { "Retry-After": component("headers", "RetryAfter") };

/** The API's errors by status: name, meaning, and headers. */
const FAILURES: Readonly<Record<string, [string, string, Answer["headers"]?]>> = {
  400: ["BadRequest", "The request is malformed. `validations` names the wrong fields."],
  401: ["Unauthorized", "There is no token, or it is unknown, expired or revoked.", {
    "WWW-Authenticate": component("headers", "Challenge"),
  }],
  403: ["Forbidden", "The token is in a cookie, and the request comes from another origin's page."],
  404: ["NotFound", "The resource does not exist, or belongs to someone else."],
  409: [
    "Busy",
    "The chat is answering already; or it has moved on from the answer that was sent back; or that " +
    "waits for approvals, or has them; or the message with this `Idempotency-Key` was removed from " +
    "the queue. Nothing was stored.",
    { "Parley-Run-Id": component("headers", "LiveRunId") },
  ],
  410: ["Expired", "The approval could be answered no longer than until `expires_at`."],
  413: ["TooLarge", "The body or the message is too large, or the chat cannot take any more."],
  415: ["UnsupportedMediaType", "The body is not JSON."],
  421: ["Misdirected", "The server does not answer for the `Host` of the request."],
  422: ["KeyTaken", "This `Idempotency-Key` was used for another message."],
  429: ["TooMany", "Too many streams are open, or too many messages wait in the chat.", retry],
  431: ["HeadersTooLarge", "The headers, with the URL, are too large."],
  500: ["Internal", "Parley or its database failed. The message may have been stored."],
  502: ["BadGateway", "The Coder deployment that checks tokens cannot be reached."],
  503: [
    "Unavailable",
    "The database is locked by another program, its files are gone or its disk fails, or Parley is " +
    "shutting down: nothing was stored. " +
    "Or a remote database did not reply: the message may have been stored.",
    retry,
  ],
  507: ["StorageFull", "The disk of the database is full. Nothing was stored."],
};

const uuid = { type: "string", format: "uuid" };
const v1 = { type: "string", const: "v1" };
const optional = { required: false } as const;

const HEADERS = {
  RequestId: header("The request's id in Parley's log: the client's own, if it sent a valid one."),
  Challenge: header("How to authenticate."),
  RetryAfter: header("The number of seconds after which to try again.", {
    schema: { type: "string", pattern: "^\\d+$" },
  }),
  LiveRunId: header("The run that is answering.", { ...optional, schema: uuid }),
  RunId: header("The id of the run, with a stream.", { ...optional, schema: uuid }),
  DataStream: header("With the data stream.", { ...optional, schema: v1 }),
  ETag: header("Names this version of the resource."),
};

const PARAMETERS = {
  Chat: pathParameter("chat", "The id of a chat.", CHAT_EXAMPLE.id, { format: "uuid" }),
  UiMessageStream: headerParameter(
    "X-Vercel-AI-UI-Message-Stream",
    "`v1` asks for the form of AI SDK 5 and later, unless `protocol` is given.",
  ),
  IfNoneMatch: headerParameter("If-None-Match", "The `ETag` of the client's copy."),
  LastEventId: headerParameter(
    "Last-Event-ID",
    "The same as `after`, which takes precedence.",
    "^(([0-9a-f-]{36}:)?\\d{1,10})?$",
  ),
};

const RESPONSES: Readonly<Record<string, Answer>> = {
  ...Object.fromEntries(
    Object.values(FAILURES).map(([name, text, headers]) => [name, failure(text, headers)]),
  ),
  AnswerStream: answerStream,
  NotModified: answer("The client's copy is up to date.", undefined, etag),
  NothingToJoin: answer(
    "There is nothing to join, or nothing more of it, or the run's log has expired. The history has " +
      "the answer.",
  ),
};

const SECURITY_SCHEMES = {
  header: {
    type: "apiKey",
    in: "header",
    name: TOKEN_HEADER,
    description: "A token in a header, as Coder's clients send it.",
  },
  bearer: { type: "http", scheme: "bearer", description: "The same token, as a bearer token." },
  cookie: {
    type: "apiKey",
    in: "cookie",
    name: TOKEN_COOKIE,
    description: "The same token in a cookie. A request that changes something then needs an " +
      "`Origin` of this server.",
  },
};

const TAGS = {
  Chats: "A chat is a named sequence of messages. Only its user sees it.",
  Messages: "The history of a chat, and new messages.",
  Files: "Files that users attach to messages.",
  Runs: "A run makes one answer. It belongs to the server, not to the request that started it.",
  Tools: "Tools that this server runs for models, and the calls that need a person's approval.",
  Usage: "Tokens, requests and costs.",
  Models: "The models that can answer.",
  Deployment: "The current user, the version, and health checks.",
  Documents: "This reference.",
};

const DESCRIPTION = `The chat API of Coder's AgenticChat, with Parley's additions.

Every error is JSON with a \`message\`, and every response has an \`X-Request-Id\`. \`HEAD\` works \
wherever \`GET\` does. A path answers an unknown method with 405, and lists the known ones in \`Allow\`.`;

/** An operation as its module describes it. */
interface Operation {
  "x-errors"?: number[];
  security?: unknown[];
  parameters?: { $ref?: string; in?: string; name?: string }[];
  requestBody?: { content: object };
  responses: Description["responses"];
}

/** Generates the document of all routes. */
export async function openApiDocument(app: App): Promise<OpenApiDocument> {
  const document = await generateSpecs(app, {
    excludeStaticFile: false,
    defaultValidationErrorResponse: false,
    documentation: {
      openapi: "3.1.1",
      info: {
        title: "Parley",
        version: VERSION,
        description: DESCRIPTION,
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: "/" }],
      security: [{ header: [] }, { bearer: [] }, { cookie: [] }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: SECURITY_SCHEMES,
        headers: HEADERS,
        parameters: PARAMETERS,
        responses: RESPONSES,
      },
    } as Partial<OpenApiDocument>,
  });
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item!)) {
      complete(path, method, operation as unknown as Operation);
    }
  }
  return document;
}

/** Adds the errors and parameters that follow from an operation's method, path and body. */
function complete(path: string, method: string, operation: Operation): void {
  const { parameters = [], responses } = operation;
  for (const status of errorsOf(path, method, operation)) {
    const [name] = FAILURES[status]!;
    responses[status] ??= component("responses", name);
  }
  delete operation["x-errors"];
  if (path.includes("{chat}")) {
    const others = parameters.filter(({ name }) => name !== "chat");
    operation.parameters = [component("parameters", "Chat"), ...others];
  }
}

function errorsOf(path: string, method: string, operation: Operation): number[] {
  const { security, parameters = [], requestBody } = operation;
  const isChecked = requestBody || path.includes("{chat}") ||
    parameters.some((one) => one.in === "query");
  return [
    ...operation["x-errors"] ?? [],
    ...isChecked ? [400] : [],
    ...path.includes("{chat}") ? [404] : [],
    ...security ? [] : [401, 502, 503],
    ...security || method === "get" ? [] : [403, 507],
    ...requestBody ? [413] : [],
    ...requestBody && "application/json" in requestBody.content ? [415] : [],
    ...[421, 431, 500],
  ];
}
