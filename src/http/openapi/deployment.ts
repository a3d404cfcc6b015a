import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { buildInfoSchema, userSchema } from "../schemas.ts";
import { failures, json, READS, success } from "./responses.ts";

const tags = ["Deployment"];
const ok = { "text/plain": { schema: z.literal("OK") } };

/** Who one is, what this is, and whether it is well. */
export const deploymentPaths: ZodOpenApiPathsObject = {
  "/api/v2/users/me": {
    get: {
      operationId: "getUser",
      tags,
      summary: "Get the user that the token stands for",
      responses: { 200: success("The user.", json(userSchema)), ...failures(...READS) },
    },
  },
  "/api/v2/buildinfo": {
    get: {
      operationId: "getBuildInfo",
      tags,
      summary: "Get the version of Parley",
      security: [],
      responses: { 200: success("The version.", json(buildInfoSchema)), ...failures() },
    },
  },
  "/healthz": {
    get: {
      operationId: "getHealth",
      tags,
      summary: "See whether Parley is alive",
      security: [],
      responses: { 200: success("It is.", ok), ...failures() },
    },
  },
  "/readyz": {
    get: {
      operationId: "getReadiness",
      tags,
      summary: "See whether the database answers",
      security: [],
      responses: { 200: success("It does.", ok), ...failures(503) },
    },
  },
};
