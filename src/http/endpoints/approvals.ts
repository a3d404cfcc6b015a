import { z } from "zod";
import type { JournaledCall } from "../../domain/approval.ts";
import { MAX_REASON } from "../../runs/plan.ts";
import { RUN_EXAMPLE } from "../answer.ts";
import { readBody } from "../body.ts";
import { CHAT_EXAMPLE, idInPath, timeSchema } from "../chat.ts";
import type { JsonObject } from "../../domain/json.ts";
import { objectSchema } from "../../wire/validate.ts";
import type { App, HttpParts } from "../context.ts";
import {
  answer,
  describe,
  header,
  json,
  jsonBody,
  limitSchema,
  pathParameter,
  query,
} from "../describe.ts";

/** How many approvals are listed at once. */
const PAGE = 100;

const APPROVAL = "6f0de4ac-7c1b-4a43-8f5d-6f3d0a5f2c11";

const approvalSchema = () =>
  z.object({
    id: z.uuid(),
    chat_id: z.uuid(),
    message_id: z.string(),
    tool_call_id: z.string(),
    tool: z.string(),
    input: z.looseObject({}).meta({ description: "The arguments. A yes is for just these." }),
    may_have_run: z.boolean().meta({
      description: "True if Parley ended while the call ran, so that it may have had its effect.",
    }),
    question: z.object({ message: z.string(), schema: z.looseObject({}) }).optional().meta({
      description: "What the tool itself asks, with the JSON schema of the answer.",
    }),
    created_at: timeSchema(),
    expires_at: timeSchema(),
  }).meta({ id: "Approval" });

const EXAMPLE = {
  id: APPROVAL,
  chat_id: CHAT_EXAMPLE.id,
  message_id: "cc2668f2-b082-4967-a874-361a783dad81",
  tool_call_id: "call_1",
  tool: "workspace__write",
  input: { path: "notes.txt", content: "Hello" },
  may_have_run: false,
  created_at: "2026-11-27T09:30:00.000Z",
  expires_at: "2026-12-04T09:30:00.000Z",
};

const listQuery = z.object({
  chat: z.uuid("Expected a UUID").optional().meta({ description: "Only those of this chat." }),
  limit: limitSchema(
    PAGE,
    `The most approvals to list; by default ${PAGE}. Large ones come in fewer.`,
  ),
  cursor: z.string().regex(/^\d{1,15}$/, "Expected a cursor from a Link header")
    .optional().meta({
      description: "The start of the page, from the `Link` header of the previous page.",
    }),
});

const listApprovals = describe({
  operationId: "listApprovals",
  tag: "Tools",
  summary: "List the calls that wait for your approval",
  description:
    "The oldest first. A call waits until it is answered, its approval expires, or its " +
    "chat goes on without it.",
  responses: {
    200: answer(
      "The approvals.",
      json(() => z.object({ approvals: z.array(approvalSchema()) }), {
        approvals: [EXAMPLE],
      }),
      {
        Link: header('The URL of the next page, with `rel="next"`, if there are more.', {
          required: false,
        }),
      },
    ),
  },
});

const answerSchema = z.object({
  approved: z.boolean(),
  reason: z.string().max(MAX_REASON).optional().meta({
    description: "Told to the model if the call is denied.",
  }),
  content: objectSchema.optional().meta({
    description:
      "The answer to the tool's question; by default, what its schema has as defaults, " +
      "and a yes to what is true or false.",
  }),
  remember: z.literal("chat").optional().meta({
    description: "The answer counts for all calls of this tool in the chat from now on.",
  }),
}).meta({ id: "ApprovalAnswer" });

const answeredSchema = () =>
  z.object({
    approval: approvalSchema().extend({ approved: z.boolean(), reason: z.string().optional() }),
    run: z.object({ id: z.uuid(), chat_id: z.uuid(), message_id: z.string() }).nullable().meta({
      description:
        "The run in which the answer goes on: follow its stream. Null while other calls " +
        "of the same answer wait.",
    }),
  }).meta({ id: "AnsweredApproval" });

const answerApproval = describe({
  operationId: "answerApproval",
  tag: "Tools",
  summary: "Approve or deny a call",
  description: "The first answer counts. Once no call of the message waits any more, the same " +
    "message goes on: approved calls run, and the model is told of those that were denied. A " +
    "client of AI SDK 6 and later may send the message back with its answers instead.",
  parameters: [pathParameter("approval", "The id of an approval.", APPROVAL, { format: "uuid" })],
  requestBody: { required: true, content: jsonBody(answerSchema, { example: { approved: true } }) },
  responses: {
    200: answer(
      "The approval, and the run that goes on.",
      json(answeredSchema, {
        approval: { ...EXAMPLE, approved: true },
        run: { id: RUN_EXAMPLE, chat_id: EXAMPLE.chat_id, message_id: EXAMPLE.message_id },
      }),
    ),
  },
  errors: [404, 409, 410, 429],
});

/** `GET /api/v2/approvals` and `POST /api/v2/approvals/{approval}`. */
export function approvals(app: App, parts: HttpParts): void {
  const { toolCalls, clock, runs } = parts;

  app.get("/api/v2/approvals", listApprovals, query(listQuery), async (c) => {
    const { chat, limit = PAGE, cursor } = c.req.valid("query");
    if (chat !== undefined) await runs.settle(chat);
    const { calls, hasMore } = await toolCalls.waiting(c.var.principal.id, clock.now(), {
      limit,
      ...(cursor !== undefined && { after: Number(cursor) }),
      ...(chat !== undefined && { chatId: chat }),
    });
    if (hasMore) {
      const rest = chat === undefined ? "" : `&chat=${chat}`;
      const next = `limit=${limit}&cursor=${calls.at(-1)!.place}${rest}`;
      c.header("link", `</api/v2/approvals?${next}>; rel="next"`);
    }
    return c.json({ approvals: calls.map(approvalJson) });
  });

  app.post("/api/v2/approvals/:approval", answerApproval, async (c) => {
    const id = idInPath(c, "approval");
    const { approved, reason, remember, content } = await readBody(
      c,
      parts,
      answerSchema,
      "Failed to decode approval",
    );
    const given = {
      id,
      approved,
      reason,
      remember: remember === "chat",
      // It was parsed from JSON.
      content: content as JsonObject | undefined,
    };
    const { call, run } = await runs.approve(c.var.principal.id, given);
    const { identity } = run ?? {};
    return c.json({
      approval: { ...approvalJson(call), approved, ...(reason !== undefined && { reason }) },
      run: identity
        ? { id: identity.id, chat_id: identity.chatId, message_id: identity.messageId }
        : null,
    });
  });
}

function approvalJson(call: JournaledCall): z.infer<ReturnType<typeof approvalSchema>> {
  return {
    id: call.id,
    chat_id: call.chatId,
    message_id: call.messageId,
    tool_call_id: call.toolCallId,
    tool: call.tool,
    input: call.input,
    may_have_run: call.isInDoubt,
    ...(call.question && { question: call.question }),
    created_at: new Date(call.createdAt).toISOString(),
    expires_at: new Date(call.expiresAt).toISOString(),
  };
}
