import { z } from "zod";
import type { UsageRow } from "../../domain/ports.ts";
import { costOf } from "../../domain/usage.ts";
import { ownChat } from "../chat.ts";
import type { App, HttpParts } from "../context.ts";
import { answer, describe, json, query } from "../describe.ts";

/** The default period of a report, in milliseconds. */
const MONTH = 30 * 24 * 3_600_000;

const count = () => z.int().min(0);

const usageSchema = () =>
  z.object({
    provider: z.string(),
    model: z.string(),
    requests: count().meta({ description: "Requests to the provider, with titles and retries." }),
    input_tokens: count(),
    output_tokens: count(),
    cached_tokens: count().meta({ description: "Input tokens from the provider's cache." }),
    reasoning_tokens: count().meta({ description: "Output tokens of reasoning." }),
    estimated: z.boolean().meta({ description: "True if Parley estimated some of these figures." }),
    first_token_ms: z.number().nullable().meta({
      description: "The mean time to the first token.",
    }),
    cost: z.number().optional().meta({ description: "Only if the model has a price." }),
  }).meta({ id: "Usage" });

const dailySchema = () =>
  usageSchema().extend({ day: z.iso.date().meta({ description: "In UTC." }) })
    .meta({ id: "DailyUsage" });

const getChatUsage = describe({
  operationId: "getChatUsage",
  tag: "Usage",
  summary: "Get the usage of a chat",
  responses: {
    200: answer("A sum for each model.", json(() => z.object({ usage: z.array(usageSchema()) }))),
  },
});

const querySchema = z.object({
  since: z.iso.datetime({ offset: true, error: "Expected a time such as 2026-11-01T00:00:00Z" })
    .optional().meta({ description: "By default, 30 days ago." }),
});

const getUsage = describe({
  operationId: "getUsage",
  tag: "Usage",
  summary: "Get your usage",
  responses: {
    200: answer(
      "A sum for each day and model, most recent first.",
      json(() => z.object({ since: z.iso.datetime(), usage: z.array(dailySchema()) })),
    ),
  },
});

/** `GET /api/v2/chats/{chat}/usage` and `GET /api/v2/usage`. */
export function usage(app: App, parts: HttpParts): void {
  const { attempts, clock, prices } = parts;

  app.get("/api/v2/chats/:chat/usage", getChatUsage, async (c) => {
    const chat = await ownChat(c, parts);
    const rows = await attempts.ofChat(chat.ownerId, chat.id);
    return c.json({ usage: rows.map((row) => toJson(row, prices)) });
  });

  app.get("/api/v2/usage", getUsage, query(querySchema), async (c) => {
    const { since } = c.req.valid("query");
    const time = since === undefined ? clock.now() - MONTH : Date.parse(since);
    const rows = await attempts.since(c.var.principal.id, time);
    return c.json({
      since: new Date(time).toISOString(),
      usage: rows.map((row) => ({ day: row.day, ...toJson(row, prices) })),
    });
  });
}

function toJson(row: UsageRow, prices: HttpParts["prices"]) {
  const { usage } = row;
  const price = prices[row.model] ?? prices[`${row.provider}/${row.model}`];
  return {
    provider: row.provider,
    model: row.model,
    requests: row.attempts,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cached_tokens: usage.cachedTokens,
    reasoning_tokens: usage.reasoningTokens,
    estimated: usage.estimated,
    first_token_ms: row.firstTokenMs,
    ...(price && { cost: costOf(usage, price) }),
  };
}
