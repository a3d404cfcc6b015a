import { createDocument } from "zod-openapi";
import { VERSION } from "../version.ts";
import { TOKEN_COOKIE, TOKEN_HEADER } from "./auth.ts";
import { chatPaths } from "./openapi/chats.ts";
import { deploymentPaths } from "./openapi/deployment.ts";
import { documentPaths } from "./openapi/documents.ts";
import { filePaths } from "./openapi/files.ts";
import { messagePaths } from "./openapi/messages.ts";
import { modelPaths } from "./openapi/models.ts";
import { runPaths } from "./openapi/runs.ts";
import { usagePaths } from "./openapi/usage.ts";
import { watchPaths } from "./openapi/watch.ts";

/** An OpenAPI 3.1 document. */
export type OpenApiDocument = ReturnType<typeof createDocument>;

const DESCRIPTION = `The chat API of Coder's AgenticChat, and what Parley adds to it.

Every error is JSON with a \`message\`; every answer has an \`X-Request-Id\`. A \`GET\` can be asked as \
\`HEAD\` too. A path that is asked with a method it does not know answers 405, and names those it \
knows in \`Allow\`.`;

/** The document of every route, out of the schemas that check requests. Pure. */
export function openApiDocument(): OpenApiDocument {
  return createDocument({
    openapi: "3.1.1",
    info: {
      title: "Parley",
      version: VERSION,
      description: DESCRIPTION,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{ header: [] }, { bearer: [] }, { cookie: [] }],
    tags: [
      { name: "Chats", description: "A chat is a named line of messages. Its user alone sees it." },
      { name: "Messages", description: "What was said, and what is being said." },
      { name: "Files", description: "What a user gives a chat beside words." },
      { name: "Runs", description: "A run is the making of one answer. It belongs to the server." },
      { name: "Usage", description: "What was asked of providers, and what it cost." },
      { name: "Models", description: "Who can answer." },
      { name: "Deployment", description: "Who one is, what this is, and whether it is well." },
      { name: "Documents", description: "What you are reading." },
    ],
    components: {
      securitySchemes: {
        header: {
          type: "apiKey",
          in: "header",
          name: TOKEN_HEADER,
          description: "A token in a header, as Coder's clients send it.",
        },
        bearer: { type: "http", scheme: "bearer", description: "The same token, as a bearer." },
        cookie: {
          type: "apiKey",
          in: "cookie",
          name: TOKEN_COOKIE,
          description:
            "The same token in a cookie. A change then needs an `Origin` of this server.",
        },
      },
    },
    paths: {
      ...chatPaths,
      ...watchPaths,
      ...messagePaths,
      ...filePaths,
      ...runPaths,
      ...usagePaths,
      ...modelPaths,
      ...deploymentPaths,
      ...documentPaths,
    },
  }, {
    override({ jsonSchema }) {
      // A format says it all, and zod's own bound of integers nothing.
      if (jsonSchema.format !== undefined || jsonSchema.type === "integer") {
        delete jsonSchema.pattern;
      }
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
}
