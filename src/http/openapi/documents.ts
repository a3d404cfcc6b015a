import { z } from "zod";
import type { ZodOpenApiPathsObject, ZodOpenApiResponseObject } from "zod-openapi";
import { failures, success } from "./responses.ts";

const tags = ["Documents"];

/** The header of a client that has a copy. */
export const cached = z.object({
  "If-None-Match": z.string().optional().meta({
    description: "The `ETag` of the copy that the client has.",
    param: { id: "IfNoneMatch" },
  }),
});

/** The header that names a copy. */
export const entityTag = z.string().meta({
  description: "Names this state of it.",
  header: { id: "ETag" },
});

/** The answer to a client whose copy is good. */
export const unchanged: ZodOpenApiResponseObject = {
  id: "NotModified",
  ...success("The client's copy is good.", undefined, { ETag: entityTag }),
};

/** The OpenAPI document and its reference page. */
export const documentPaths: ZodOpenApiPathsObject = {
  "/openapi.json": {
    get: {
      operationId: "getOpenApi",
      tags,
      summary: "Get this document",
      security: [],
      requestParams: { header: cached },
      responses: {
        200: success(
          "An OpenAPI 3.1 document.",
          { "application/json": { schema: z.looseObject({ openapi: z.string() }) } },
          { ETag: entityTag },
        ),
        304: unchanged,
        ...failures(),
      },
    },
  },
  "/docs": {
    get: {
      operationId: "getDocs",
      tags,
      summary: "Read this document as a page",
      security: [],
      requestParams: { header: cached },
      responses: {
        200: success("A page.", { "text/html": { schema: z.string() } }, { ETag: entityTag }),
        304: unchanged,
        ...failures(),
      },
    },
  },
  "/": {
    get: {
      operationId: "getRoot",
      tags,
      summary: "Go to the reference page",
      security: [],
      responses: {
        302: success("See `/docs`.", undefined, {
          Location: z.string().meta({ description: "`/docs`" }),
        }),
        ...failures(),
      },
    },
  },
};
