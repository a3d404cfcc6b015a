import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4ToolResultPart,
} from "@ai-sdk/provider";

type Wire = Record<string, unknown>;

/** The body of a request, apart from its messages. */
export function settingsOf(model: string, options: LanguageModelV4CallOptions): Wire {
  const { maxOutputTokens, reasoning, responseFormat, tools = [], toolChoice } = options;
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(maxOutputTokens !== undefined && { [limitOf(model)]: maxOutputTokens }),
    ...(reasoning !== undefined && reasoning !== "provider-default" &&
      { reasoning_effort: reasoning }),
    ...(responseFormat?.type === "json" && { response_format: formatOf(responseFormat) }),
    ...(tools.length > 0 && { tools: tools.flatMap(toolOf) }),
    ...(toolChoice && toolChoice.type !== "tool" && { tool_choice: toolChoice.type }),
  };
}

/** OpenAI's models that reason refuse the older name, behind a gateway too. */
function limitOf(model: string): string {
  return /(^|\/)(o[1-9]|gpt-[5-9])/.test(model) ? "max_completion_tokens" : "max_tokens";
}

/** The messages of a prompt. */
export function* messagesOf(prompt: readonly LanguageModelV4Message[]): Generator<Wire> {
  for (const message of prompt) {
    if (message.role === "tool") {
      for (const part of message.content) {
        if (part.type === "tool-result") yield resultOf(part);
      }
    } else if (message.role === "system") yield { role: "system", content: message.content };
    else if (message.role === "user") yield userMessage(message.content);
    else yield assistantMessage(message.content);
  }
}

function formatOf({ schema, name = "response", description }: ResponseFormat): Wire {
  if (schema === undefined) return { type: "json_object" };
  const described = description !== undefined && { description };
  return { type: "json_schema", json_schema: { schema, strict: true, name, ...described } };
}

type ResponseFormat = Extract<
  NonNullable<LanguageModelV4CallOptions["responseFormat"]>,
  { type: "json" }
>;

function toolOf(tool: NonNullable<LanguageModelV4CallOptions["tools"]>[number]): Wire[] {
  if (tool.type !== "function") return [];
  const { name, description, inputSchema: parameters } = tool;
  const described = description !== undefined && { description };
  return [{ type: "function", function: { name, ...described, parameters } }];
}

type ContentOf<Role> = Extract<LanguageModelV4Message, { role: Role }>["content"];

function userMessage(content: ContentOf<"user">): Wire {
  const [first, ...more] = content;
  // Small servers take a text only.
  if (first?.type === "text" && more.length === 0) return { role: "user", content: first.text };
  const parts = content.map((part) =>
    part.type === "text" ? { type: "text", text: part.text } : fileOf(part)
  );
  return { role: "user", content: parts };
}

function assistantMessage(content: ContentOf<"assistant">): Wire {
  let text = "";
  const reasoning: Record<string, string> = {};
  const calls: Wire[] = [];
  let beside: Wire = {};
  for (const part of content) {
    if (part.type === "text") text += part.text;
    if (part.type === "reasoning") {
      const field = String(part.providerOptions?.["compatible"]?.["field"] ?? "reasoning_content");
      reasoning[field] = (reasoning[field] ?? "") + part.text;
    }
    if (part.type !== "tool-call") continue;
    const { reasoning_details, ...extra } = part.providerOptions?.["compatible"] ?? {};
    if (reasoning_details !== undefined) beside = { reasoning_details };
    const input = typeof part.input === "string" ? part.input : JSON.stringify(part.input);
    const call = { name: part.toolName, arguments: input };
    calls.push({ id: part.toolCallId, type: "function", function: call, ...extra });
  }
  return {
    role: "assistant",
    content: text === "" && calls.length > 0 ? null : text,
    ...reasoning,
    ...(calls.length > 0 && { tool_calls: calls }),
    ...beside,
  };
}

function resultOf({ toolCallId, output }: LanguageModelV4ToolResultPart): Wire {
  return { role: "tool", tool_call_id: toolCallId, content: resultText(output) };
}

function resultText(output: LanguageModelV4ToolResultPart["output"]): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "execution-denied":
      return output.reason ?? "The user denied this tool call.";
    default:
      return JSON.stringify(output.value);
  }
}

function fileOf({ mediaType, data, filename = "document.pdf" }: LanguageModelV4FilePart): Wire {
  const url = data.type === "url"
    ? data.url.href
    : data.type === "data"
    ? `data:${mediaType};base64,${base64(data.data)}`
    : "";
  const [kind, subtype] = mediaType.split("/", 2);
  if (url !== "" && kind === "image") return { type: "image_url", image_url: { url } };
  if (url !== "" && kind === "video") return { type: "video_url", video_url: { url } };
  if (data.type === "data") {
    const format = AUDIO[mediaType];
    if (format) return { type: "input_audio", input_audio: { data: base64(data.data), format } };
    if (subtype === "pdf") return { type: "file", file: { filename, file_data: url } };
  }
  return { type: "text", text: `[The file "${filename}" (${mediaType}) cannot be read here.]` };
}

const AUDIO: Record<string, string> = {
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/mp3": "mp3",
  "audio/mpeg": "mp3",
};

function base64(data: string | Uint8Array): string {
  return typeof data === "string" ? data : data.toBase64();
}
