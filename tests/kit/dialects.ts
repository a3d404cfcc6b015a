/** Events of every dialect, written by hand, so that an attack can put anything into them. */

/** What an attack needs of a dialect. */
export interface Dialect {
  /** The model in the configuration of the attacked server. */
  model: string;
  /** What comes before the first delta. */
  begin: string;
  /** An event with a piece of text; `json` is its text as JSON, quotes included. */
  delta(json: string): string;
  /** An event with a tool call; `args` is the JSON of its arguments. */
  call(args: string): string;
  /** What ends an answer, with the counts of tokens as JSON. */
  end(tokens: string): string;
}

const sse = (data: string, name?: string) =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${data}\n\n`;

const choice = (delta: string, more = "") =>
  sse(`{"choices":[{"index":0,"delta":${delta}${more}}]}`);

const candidate = (part: string, more = "") =>
  sse(`{"candidates":[{"content":{"role":"model","parts":[${part}]}${more}`);

const named = (json: string) => sse(json, /"type":"([a-z_.]+)"/.exec(json)![1]);

export const DIALECTS: Record<string, Dialect> = {
  compatible: {
    model: "evil-chat",
    begin: choice('{"role":"assistant","content":""}'),
    delta: (json) => choice(`{"content":${json}}`),
    call: (args) =>
      choice(
        `{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"look","arguments":${
          JSON.stringify(args)
        }}}]}`,
      ),
    end: (tokens) =>
      choice("{}", ',"finish_reason":"stop"') +
      sse(`{"choices":[],"usage":{"prompt_tokens":${tokens},"completion_tokens":${tokens}}}`) +
      "data: [DONE]\n\n",
  },
  anthropic: {
    model: "evil-claude",
    begin: named(
      '{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":0}}}',
    ) +
      named('{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'),
    delta: (json) =>
      named(
        `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":${json}}}`,
      ),
    call: (args) =>
      named(
        '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"c1","name":"look","input":{}}}',
      ) +
      named(
        `{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":${
          JSON.stringify(args)
        }}}`,
      ) + named('{"type":"content_block_stop","index":1}'),
    end: (tokens) =>
      named('{"type":"content_block_stop","index":0}') +
      named(
        `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":${tokens}}}`,
      ) + named('{"type":"message_stop"}'),
  },
  google: {
    model: "evil-gemini",
    begin: candidate('{"text":""}', "}]}"),
    delta: (json) => candidate(`{"text":${json}}`, "}]}"),
    call: (args) => candidate(`{"functionCall":{"name":"look","args":${args}}}`, "}]}"),
    end: (tokens) =>
      candidate(
        '{"text":""}',
        `,"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":${tokens},"candidatesTokenCount":${tokens},"totalTokenCount":${tokens}}}`,
      ),
  },
  responses: {
    model: "evil-gpt",
    begin: named(
      '{"type":"response.created","response":{"id":"r","object":"response","created_at":1,"model":"x"}}',
    ) +
      named(
        '{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m","status":"in_progress","role":"assistant","content":[]}}',
      ),
    delta: (json) =>
      named(
        `{"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":${json}}`,
      ),
    call: (args) =>
      named(
        '{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"f","call_id":"c1","name":"look","arguments":"","status":"in_progress"}}',
      ) +
      named(
        `{"type":"response.function_call_arguments.delta","item_id":"f","output_index":1,"delta":${
          JSON.stringify(args)
        }}`,
      ) +
      named(
        `{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"f","call_id":"c1","name":"look","arguments":${
          JSON.stringify(args)
        },"status":"completed"}}`,
      ),
    end: (tokens) =>
      named(
        '{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m","status":"completed","role":"assistant","content":[]}}',
      ) +
      named(
        `{"type":"response.completed","response":{"usage":{"input_tokens":${tokens},"output_tokens":${tokens}}}}`,
      ),
  },
};

/** The environment that points Parley to one server in every dialect, as the providers from a number on. */
export function evilEnv(url: string, from = 0): Record<string, string> {
  const providers = [
    ["openai-compatible", `${url}/v1`, "evil-chat"],
    ["anthropic", `${url}/v1`, "evil-claude"],
    ["google", `${url}/v1beta`, "evil-gemini"],
    // The SDK reads the address of this one from the environment.
    ["openai", undefined, "evil-gpt"],
  ] as const;
  return Object.fromEntries([
    ["OPENAI_BASE_URL", `${url}/v1`],
    ...providers.flatMap(([type, base, model], n) => {
      const prefix = `PARLEY_AI_PROVIDER_${n + from}_`;
      return [
        [`${prefix}TYPE`, type],
        [`${prefix}NAME`, `evil-${type}`],
        [`${prefix}MODELS`, model],
        [`${prefix}API_KEY`, "sk-evil-secret"],
        ...(base === undefined ? [] : [[`${prefix}BASE_URL`, base]]),
      ];
    }),
  ]);
}
