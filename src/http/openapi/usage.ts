import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { usageQuerySchema } from "../schemas.ts";
import { chatParams } from "./chats.ts";
import { failures, json, READS, success } from "./responses.ts";

const tags = ["Usage"];

const count = z.int().min(0);

const usageSchema = z.object({
  provider: z.string(),
  model: z.string(),
  requests: count.meta({ description: "Requests to the provider, titles and retries included." }),
  input_tokens: count,
  output_tokens: count,
  cached_tokens: count.meta({ description: "Input that the provider had in its cache." }),
  reasoning_tokens: count.meta({ description: "Output that was reasoning." }),
  estimated: z.boolean().meta({ description: "Whether some figures were counted here." }),
  first_token_ms: z.number().nullable().meta({ description: "The mean time to the first token." }),
  cost: z.number().optional().meta({ description: "Where the model has a price." }),
}).meta({ id: "Usage" });

const dailySchema = usageSchema.extend({
  day: z.iso.date().meta({ description: "In UTC." }),
}).meta({ id: "DailyUsage" });

/** What was asked of providers, and what it cost. */
export const usagePaths: ZodOpenApiPathsObject = {
  "/api/v2/chats/{chat}/usage": {
    get: {
      operationId: "getChatUsage",
      tags,
      summary: "Sum up what a chat used",
      requestParams: { path: chatParams },
      responses: {
        200: success("A sum for each model.", json(z.object({ usage: z.array(usageSchema) }))),
        ...failures(...READS, 400, 404),
      },
    },
  },
  "/api/v2/usage": {
    get: {
      operationId: "getUsage",
      tags,
      summary: "Sum up what one used",
      requestParams: { query: usageQuerySchema },
      responses: {
        200: success(
          "A sum for each day and model, the newest day first.",
          json(z.object({ since: z.iso.datetime(), usage: z.array(dailySchema) })),
        ),
        ...failures(...READS, 400),
      },
    },
  },
};
