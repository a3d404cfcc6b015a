import type { UsageRow } from "../domain/ports.ts";
import { costOf } from "../domain/usage.ts";
import { parseWith } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts } from "./context.ts";
import { usageQuerySchema } from "./schemas.ts";

/** How far a report goes back where the request does not say, in milliseconds. */
const MONTH = 30 * 24 * 3_600_000;

/** What was asked of providers, and what it cost. */
export function usageRoutes(app: App, parts: HttpParts): void {
  const { ledger, clock, prices } = parts;

  app.get("/api/v2/chats/:chat/usage", async (c) => {
    const chat = await ownChat(c, parts);
    const rows = await ledger.ofChat(chat.ownerId, chat.id);
    return c.json({ usage: rows.map((row) => toJson(row, prices)) });
  });

  app.get("/api/v2/usage", async (c) => {
    const { since } = parseWith(usageQuerySchema, c.req.query(), "Invalid query");
    const time = since === undefined ? clock.now() - MONTH : Date.parse(since);
    const rows = await ledger.since(c.var.principal.id, time);
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
