import type { Chat } from "../domain/chat.ts";
import { AppError } from "../domain/errors.ts";
import { fileIdOf } from "../domain/file.ts";
import type { JsonObject } from "../domain/json.ts";
import type { KeyedSend } from "../domain/ports.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import { hashToken } from "../domain/token.ts";
import { DECODE_FAILURE, invalidMessage } from "../wire/invalid.ts";
import { encoderOf, negotiate } from "../wire/negotiate.ts";
import { type DecodedMessage, decodeMessage } from "../wire/sent_message.ts";
import { parseWith, readJson } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts, RequestContext } from "./context.ts";
import { readHistory } from "./history.ts";
import { resumeOldClient, runResponse } from "./runs.ts";
import {
  type CreateMessage,
  createMessageSchema,
  historySchema,
  protocolSchema,
} from "./schemas.ts";

/** The history of a chat, and sending to it. */
export function messageRoutes(app: App, parts: HttpParts): void {
  const { runs, streams, ids, busy } = parts;

  app.get("/api/v2/chats/:chat/messages", async (c) => {
    const chat = await ownChat(c, parts);
    const query = parseWith(historySchema, c.req.query(), "Invalid query");
    if (query.chatId !== undefined) return await resumeOldClient(c, chat, parts);
    const header = (name: string) => c.req.header(name);
    return c.json(
      await readHistory(chat, query, negotiate({ query: query.protocol, header }), parts),
    );
  });

  app.post("/api/v2/chats/:chat/messages", async (c) => {
    const chat = await ownChat(c, parts);
    const query = parseWith(protocolSchema, c.req.query(), "Invalid query");
    const sent = await readSend(c, parts);
    const protocol = negotiate({
      query: query.protocol,
      header: (name) => c.req.header(name),
      body: sent.request,
    });
    const leave = streams.enter(c.var.principal.id);
    try {
      const { message, model, tools, output, request } = sent;
      const run = await runs.send({
        chat,
        message: { ...message, id: message.id ?? ids.uuid() },
        model,
        protocol,
        thinking: request.thinking ?? false,
        tools,
        output,
        busy: request.busy ?? busy,
        keyed: keyOf(c, chat, sent),
      });
      return runResponse(run, encoderOf(protocol), 0, leave, parts);
    } catch (error) {
      leave();
      throw error;
    }
  });
}

/** A request to answer a message, as it was read. */
interface SentRequest {
  request: CreateMessage;
  message: DecodedMessage;
  model: string;
  tools: ToolDefinition[];
  output: OutputFormat | null;
}

async function readSend(c: RequestContext, parts: HttpParts): Promise<SentRequest> {
  const { limits } = parts;
  const body = await readJson(c.req.raw, limits.bodyBytes, DECODE_FAILURE);
  if (body === undefined) {
    throw new AppError("bad_request", DECODE_FAILURE, {
      detail: "Expected a JSON body, found none",
    });
  }
  const request = parseWith(createMessageSchema, body, DECODE_FAILURE);
  const sent = request.message ?? request.messages?.at(-1);
  if (!sent) throw invalidMessage([{ field: "message", detail: "Expected a message" }]);
  const message = decodeMessage(sent, { chars: limits.messageChars });
  await checkFiles(message, c.var.principal.id, parts);
  return {
    request,
    message,
    model: request.model ?? await modelOf(request, parts),
    tools: (request.tools ?? []).map(({ name, description, parameters, inputSchema }) => ({
      name,
      description,
      // What was parsed as JSON is JSON.
      schema: (inputSchema ?? parameters ?? { type: "object", properties: {} }) as JsonObject,
    })),
    output: outputOf(request),
  };
}

/** A message refers only to files that its sender has. */
async function checkFiles(
  { parts }: DecodedMessage,
  ownerId: string,
  { files }: HttpParts,
): Promise<void> {
  for (const [index, part] of parts.entries()) {
    const id = part.type === "file" ? fileIdOf(part.url) : undefined;
    if (id !== undefined && !await files.find(ownerId, id)) {
      const field = `message.parts.${index}.url`;
      throw invalidMessage([{ field, detail: "Expected a file that was uploaded" }]);
    }
  }
}

function outputOf({ response_format }: CreateMessage): OutputFormat | null {
  if (response_format?.type !== "json_schema") return null;
  const { name, schema } = response_format.json_schema;
  return { name, schema: schema as JsonObject };
}

/** Only the default body of an AI SDK client has no place for a model. */
async function modelOf(
  { messages }: CreateMessage,
  { catalog, defaultModel }: HttpParts,
): Promise<string> {
  if (!messages) throw invalidMessage([{ field: "model", detail: "Expected the id of a model" }]);
  return defaultModel ?? (await catalog.list())[0]?.id ?? "";
}

/** The request's `Idempotency-Key`, with a hash of all that the answer depends on. */
function keyOf(
  c: RequestContext,
  chat: Chat,
  { message, model, tools, output, request }: SentRequest,
): KeyedSend | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw new AppError("bad_request", "Invalid Idempotency-Key", {
      detail: "Expected 1 to 200 visible ASCII characters.",
      validations: [{ field: "Idempotency-Key", detail: "Expected visible ASCII characters" }],
    });
  }
  const sent = [chat.id, message, model, request.thinking ?? false, tools, output];
  return { key, hash: hashToken(JSON.stringify(sent)) };
}
