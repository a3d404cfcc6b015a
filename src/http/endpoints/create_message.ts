import { z } from "zod";
import { sha256 } from "../../domain/hash.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { KeyedSend } from "../../domain/records.ts";
import type { OutputFormat, ToolDefinition } from "../../domain/tool.ts";
import { schemaProblem } from "../../models/output.ts";
import { ENCODERS, negotiate } from "../../wire/negotiate.ts";
import { type DecodedMessage, decodeMessage } from "../../wire/sent_message.ts";
import { badRequest, DECODE_FAILURE, invalidMessage } from "../../wire/validate.ts";
import { NEGOTIATION, protocolSchema, streamRun } from "../answer.ts";
import { readBody } from "../body.ts";
import { withNamedChat } from "../chat.ts";
import type { App, HttpParts, RequestContext } from "../context.ts";
import { keepFiles } from "../files.ts";
import { component, describe, headerParameter, jsonBody, query } from "../describe.ts";
import { type CreateMessage, createMessageSchema } from "../schemas/create_message.ts";

const querySchema = z.object({ protocol: protocolSchema });

const question = "What is a monad?";
const where = {
  name: "where",
  description: "Where the user is",
  inputSchema: { type: "object", properties: {} },
};

const BODIES = {
  seed: {
    summary: "One message",
    value: { message: { role: "user", content: question }, model: "demo" },
  },
  sdk: {
    summary: "What a client of AI SDK 5 and later sends by default",
    value: {
      id: "8nMPrSkW8yHYvX0j",
      messages: [
        { id: "vWq0hCyuBfV4NeLY", role: "user", parts: [{ type: "text", text: question }] },
      ],
      trigger: "submit-message",
    },
  },
  tools: {
    summary: "With a tool that the client runs",
    value: { message: { role: "user", content: "Where am I?" }, model: "demo", tools: [where] },
  },
};

const sendMessage = describe({
  operationId: "createMessage",
  tag: "Messages",
  summary: "Send a message and stream its answer",
  description: `Stores the message, starts the answer and streams it. Once the response's headers \
arrive, the message is kept. A request that is refused stores nothing, unless the database failed or \
did not reply. The answer is completed and kept even if the client disconnects.

The id of a message that the chat has already is an edit, or, with the same contents, asks for another \
answer: the messages after it stay as a branch. The same message sent again while it is being \
answered, or with the same \`Idempotency-Key\` within a day, joins its answer, so nobody pays for a \
second one.

${NEGOTIATION}, or with a \`trigger\` in the body.

The data stream has one part per line: a code and its JSON. Skip empty lines; they keep the connection \
open.

- \`f\` begins a step, with the id that the answer's message has in the history.
- \`0\` is a piece of text, \`g\` of reasoning; \`j\` is the signature of a reasoning, \`i\` a \
redacted one.
- \`b\`, \`c\` and \`9\` are the beginning of a tool call, a piece of its arguments, and the whole \
call; \`a\` is its result.
- \`h\` is a source, \`k\` a file.
- \`e\` ends a step, and one \`d\` ends the answer. \`3\` is an error, followed by a \`d\` with the \
finish reason \`error\`: a failure after the headers is a part of the stream.

The UI message stream consists of server-sent events. Each has an \`id\`, the position to resume \
after, and a chunk in its \`data\`; the last is \`[DONE]\`. Skip lines that begin with a colon.

- \`start\` holds the \`messageId\` that the answer has in the history; \`start-step\` and \
\`finish-step\` enclose each request to the model.
- \`text-start\`, \`text-delta\` and \`text-end\` are a text, by its \`id\`; \`reasoning-start\`, \
\`reasoning-delta\` and \`reasoning-end\` a reasoning.
- \`tool-input-start\`, \`tool-input-delta\` and \`tool-input-available\` are a tool call, and \
\`tool-output-available\` is its result; \`tool-input-error\` and \`tool-output-error\` are its \
failures. A call has \`dynamic\` unless the request declared its tool. What a running tool has to show \
is a \`preliminary\` \`tool-output-available\`.
- \`tool-approval-request\` asks for a yes, with its \`approvalId\`; the answer ends, and goes on once \
the message is sent back with it, or by the route of approvals. \`tool-output-denied\` is a no.
- \`source-url\`, \`source-document\` and \`file\` are a source, a document and a file.
- \`finish\` ends the answer, with its \`finishReason\` and, as \`messageMetadata\`, its \
\`totalUsage\` and \`model\`; \`abort\` ends an answer that was stopped, and \`error\` one that \
failed, each after a \`message-metadata\` with the same.`,
  parameters: [
    component("parameters", "UiMessageStream"),
    headerParameter(
      "Idempotency-Key",
      "The client's own name for this attempt to send the message.",
      "^[\\x21-\\x7e]{1,200}$",
    ),
  ],
  requestBody: {
    required: true,
    content: jsonBody(
      () => import("../schemas/sent_message.ts").then((m) => m.sendSchema),
      { examples: BODIES },
    ),
  },
  responses: { 200: component("responses", "AnswerStream") },
  errors: [409, 410, 422, 429],
});

/** `POST /api/v2/chats/{chat}/messages`. */
export function createMessage(app: App, parts: HttpParts): void {
  const { runs, ids } = parts;
  const path = "/api/v2/chats/:chat/messages";
  // The chat is looked up with all else that the send is decided by, in one request to the database.
  app.post(path, sendMessage, query(querySchema), (c) =>
    withNamedChat(c, parts, async (chat) => {
      const body = await readBody(c, parts, createMessageSchema, DECODE_FAILURE);
      const message = decode(body, parts);
      await keepFiles(message, chat, parts);
      const { trigger, thinking = false, busy = parts.busy, unattended = parts.unattended } = body;
      const asked = {
        model: body.model ?? await modelOf(body, parts),
        thinking,
        tools: toolsOf(body),
        output: await outputOf(body),
      };
      // Only AI SDK 5 and later send a trigger.
      const otherwise = trigger === undefined ? "data" : "ui";
      const protocol = negotiate(c.req.valid("query").protocol, c.req.raw.headers, otherwise);
      // Keys of an older Parley stay good.
      const also = body.unattended === undefined ? [] : [unattended];
      const keyed = keyOf(c, [chat.id, message, ...Object.values(asked), ...also]);
      return await streamRun(c, parts, async () => {
        const sent = { ...message, id: message.id ?? ids.uuid() };
        const send = { ...asked, chat, message: sent, protocol, busy, unattended, keyed };
        const run = await runs.send(send);
        return { run, encoder: ENCODERS[protocol] };
      });
    }));
}

function decode(
  { message, messages }: CreateMessage,
  { limits, refusedUrls }: HttpParts,
): DecodedMessage {
  const sent = message ?? messages?.at(-1);
  if (!sent) throw invalidMessage("message", "Expected a message");
  return decodeMessage(sent, {
    chars: limits.messageChars,
    files: limits.filesPerMessage,
    refusedUrls,
  });
}

function toolsOf({ tools = [] }: CreateMessage): ToolDefinition[] {
  return tools.map(({ name, description, parameters, inputSchema }) => ({
    name,
    description,
    // It was parsed from JSON.
    schema: (inputSchema ?? parameters ?? { type: "object", properties: {} }) as JsonObject,
  }));
}

async function outputOf({ response_format }: CreateMessage): Promise<OutputFormat | null> {
  if (response_format?.type !== "json_schema") return null;
  const { name } = response_format.json_schema;
  const { schema } = response_format.json_schema;
  const problem = await schemaProblem(schema);
  if (problem) {
    const field = ["response_format.json_schema.schema", problem.field].filter(Boolean).join(".");
    throw invalidMessage(field, problem.detail);
  }
  return { name, schema };
}

/** Only the default body of an AI SDK client has no place for a model. */
async function modelOf(
  { messages }: CreateMessage,
  { catalog, defaultModel }: HttpParts,
): Promise<string> {
  if (!messages) throw invalidMessage("model", "Expected the id of a model");
  return defaultModel ?? (await catalog.first())?.id ?? "";
}

/** The request's `Idempotency-Key`, with a hash of all that the answer depends on. */
function keyOf(c: RequestContext, sent: unknown): KeyedSend | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return undefined;
  if (/^[\x21-\x7e]{1,200}$/.test(key)) return { key, hash: sha256(JSON.stringify(sent)) };
  const detail = "Expected 1 to 200 visible ASCII characters";
  throw badRequest("Invalid Idempotency-Key", { field: "Idempotency-Key", detail });
}
