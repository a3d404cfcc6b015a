import type { ZodOpenApiPathsObject } from "zod-openapi";
import { modelsSchema } from "../schemas.ts";
import { failures, json, READS, success } from "./responses.ts";

const EXAMPLE = { models: [{ id: "demo", display_name: "Demo", provider: "demo" }] };

/** The models that a request may name. */
export const modelPaths: ZodOpenApiPathsObject = {
  "/api/v2/deployment/llms": {
    get: {
      operationId: "listModels",
      tags: ["Models"],
      summary: "List models",
      responses: {
        200: success("The models that a message may name.", json(modelsSchema, EXAMPLE)),
        ...failures(...READS),
      },
    },
  },
};
