/**
 * A program that speaks MCP of 2025 by standard input and output, and has a tool for each way to
 * misbehave. Its first argument says how it starts, its second names a file that it notes starts in.
 */
type Message = {
  id?: number | string;
  method?: string;
  // deno-lint-ignore no-explicit-any
  params?: any;
  error?: { code: number; message: string };
};

const [start = "well", notes] = Deno.args;
const encoder = new TextEncoder();
const cancelled: unknown[] = [];
let tools = ["echo"];
let asking: (answer: Message) => void = () => {};

function write(text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

function send(message: object): void {
  write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
}

function tool(name: string) {
  return { name, description: `Does ${name}.`, inputSchema: { type: "object" } };
}

function list(id: Message["id"], cursor: string | undefined): void {
  if (start === "endless") {
    const at = Number(cursor ?? 0);
    return send({ id, result: { tools: [tool(`t${at}`)], nextCursor: String(at + 1) } });
  }
  if (start === "odd") {
    const schema = (properties: object) => ({ type: "object", properties });
    const deep = JSON.parse(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`);
    return send({
      id,
      result: {
        tools: [
          { ...tool("z.last"), annotations: { readOnlyHint: true, idempotentHint: "yes" } },
          { ...tool("a first"), annotations: { idempotentHint: true }, outputSchema: 7 },
          { ...tool("a first"), description: "again" },
          { name: "no schema" },
          { name: "no type", inputSchema: {} },
          { name: 7, inputSchema: { type: "object" } },
          { name: "a list", inputSchema: { type: "array" } },
          { name: "deep", inputSchema: schema(deep) },
          { name: "huge", inputSchema: schema({ a: { description: "x".repeat(200_000) } }) },
          null,
        ],
      },
    });
  }
  if (start === "pages") {
    const page = Number(cursor ?? 0);
    const more = page < 4 ? { nextCursor: String(page + 1) } : {};
    return send({ id, result: { tools: [tool(`p${4 - page}`), tool("echo")], ...more } });
  }
  send({ id, result: { tools: tools.map(tool) } });
}

const text = (text: string) => ({ content: [{ type: "text", text }] });

const TOOLS: Record<string, (id: Message["id"], params: Message["params"]) => unknown> = {
  echo: (_, params) => text(params.arguments.text ?? ""),
  crash: () => {
    Deno.stderr.writeSync(encoder.encode("Panic: the token is s3cret-token\n"));
    Deno.exit(3);
  },
  hang: (_, { _meta }) => progress(_meta, 1),
  cancelled: () => text(JSON.stringify(cancelled)),
  flood: () => {
    for (;;) send({ method: "notifications/message", params: { level: "info", data: "x" } });
  },
  line: () => {
    for (let n = 0; n < 1600; n++) write("x".repeat(64 * 1024));
  },
  deep: (id) => {
    write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":`);
    write(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}}\n`);
  },
  rather_deep: () => ({
    content: [],
    structuredContent: JSON.parse(`${'{"a":'.repeat(80)}1${"}".repeat(80)}`),
  }),
  items: (id) => {
    write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"x"}`);
    for (let n = 0; n < 1000; n++) write(',{"type":"text","text":"x"}'.repeat(1000));
    write("]}}\n");
  },
  big: () => text("é".repeat(1024 * 1024)),
  huge: () => text("x".repeat(18 * 1024 * 1024)),
  pictures: () => ({
    content: Array.from({ length: 25 }, () => ({
      type: "image",
      data: "AAAA",
      mimeType: "image/png",
    })),
  }),
  change: () => {
    tools = ["echo", "other"];
    send({ method: "notifications/tools/list_changed" });
    return text("changed");
  },
  noise: () => {
    write("Listening to nobody\n\n7\n[]\n{}\nnull\n" + '{"jsonrpc":"2.0","id":99,"result":{}}\n');
    write('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"no"}}\n');
    return text("noisy");
  },
  progress: (id, { _meta, arguments: { count } }) => {
    progress(_meta, count);
    return text(String(id));
  },
  ask: async () => {
    const answers = [];
    for (const method of ["elicitation/create", "sampling/createMessage", "roots/list", "x/y"]) {
      const answer = new Promise<Message>((resolve) => asking = resolve);
      send({ id: `ask-${method}`, method, params: {} });
      answers.push((await answer).error?.code);
    }
    return text(JSON.stringify(answers));
  },
  env: () => text(JSON.stringify(Deno.env.toObject())),
  child: () => {
    const { pid } = new Deno.Command("sleep", { args: ["1000"], stdout: "inherit" }).spawn();
    return text(String(pid));
  },
  twice: (id) => {
    send({ id, result: text("one") });
    return text("two");
  },
  invalid: () => ({ content: [{ type: "nonsense" }] }),
  none: () => ({}),
  error: (id) =>
    send({ id, error: { code: -32000, message: "no luck with s3cret-token\nat all" } }),
  missing: (id) => send({ id, error: { code: 404, message: "Error (HTTP 401): session" } }),
  fails: () => ({ ...text("It did not work."), isError: true }),
  mixed: () => ({
    content: [
      { type: "text", text: "see" },
      { type: "image", data: "aGVsbG8=", mimeType: "image/png" },
      { type: "audio", data: "aGVs\nbG8=", mimeType: "audio/mpeg" },
      { type: "resource", resource: { uri: "file:///a/b%20c.bin", blob: "aGVsbG8=" } },
      { type: "resource", resource: { uri: "file:///a.txt", text: "inside" } },
      { type: "resource_link", uri: "file:///b", name: "b" },
    ],
    structuredContent: { a: [1] },
  }),
};

function progress(meta: { progressToken?: unknown } | undefined, count: number): void {
  for (let n = 1; n <= count; n++) {
    const params = { progressToken: meta?.progressToken, progress: n, total: count, message: "on" };
    send({ method: "notifications/progress", params });
  }
}

async function take({ id, method, params, ...rest }: Message): Promise<void> {
  if (method === undefined) return asking({ id: id!, ...rest });
  if (method === "notifications/cancelled") {
    cancelled.push(params.requestId);
    // Its answer was on its way.
    send({ id: params.requestId, result: text("late") });
  }
  if (id === undefined || start === "mute") return;
  if (method === "server/discover" && start === "dies-if-asked") Deno.exit(1);
  if (method === "initialize") {
    const capabilities = { tools: { listChanged: true } };
    const { protocolVersion } = params;
    const serverInfo = { name: "bad", version: "1" };
    return send({ id, result: { protocolVersion, capabilities, serverInfo } });
  }
  if (method === "tools/list") return list(id, params?.cursor);
  const run = method === "tools/call" ? TOOLS[params.name] : undefined;
  if (!run) return send({ id, error: { code: -32601, message: "Method not found" } });
  const result = await run(id, params);
  if (result !== undefined) send({ id, result });
}

if (notes !== undefined) Deno.writeTextFileSync(notes, `${Deno.pid}\n`, { append: true });
if (start === "crash-at-start") {
  for (let n = 0; n < 1000; n++) Deno.stderr.writeSync(encoder.encode(`noise ${n}\n`));
  Deno.stderr.writeSync(encoder.encode("Error: no s3cret-token for me\n"));
  Deno.exit(1);
}
if (start === "stubborn") Deno.addSignalListener("SIGTERM", () => {});
let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop()!;
  for (const line of lines) take(JSON.parse(line));
}
// A good program ends with its input; a stubborn one does not.
if (start === "stubborn") await new Promise(() => setInterval(() => {}, 1000));
