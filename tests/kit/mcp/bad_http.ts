/** An MCP server of 2025 by HTTP, whose answers to each method a test replaces. */
// deno-lint-ignore no-explicit-any
export type Message = { id?: number | string; method: string; params?: any };

/** An answer: a result, or any response. */
export type Answer = (
  message: Message,
  request: Request,
) => object | Response | Promise<object | Response>;

/** A running server. */
export interface BadHttp {
  url: string;
  /** What came, by method; GET and DELETE too. */
  seen: string[];
  requests: Request[];
  answers: Record<string, Answer>;
  /** Writes an event to each stream that a client listens to. */
  say(message: object): void;
  /** Forgets all sessions and ends their streams. */
  forget(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

const tool = (name: string) => ({ name, inputSchema: { type: "object" } });

/** A stream of server-sent events, as a response. */
export function events(start: (say: (message: object) => void, end: () => void) => void): Response {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      start(
        (message) => {
          const data = JSON.stringify({ jsonrpc: "2.0", ...message });
          controller.enqueue(encoder.encode(`event: message\ndata: ${data}\n\n`));
        },
        () => controller.close(),
      );
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** A body without end; `piece` is sent again and again. */
export function endless(piece: string, type: string): Response {
  const bytes = new TextEncoder().encode(piece);
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes),
  });
  return new Response(body, { headers: { "content-type": type } });
}

/** Starts a server that behaves well where no answer is replaced. */
export function badHttp(replaced: Record<string, Answer> = {}): BadHttp {
  let session = 1;
  let listeners: { say: (message: object) => void; end: () => void }[] = [];
  const seen: string[] = [];
  const requests: Request[] = [];
  const answers: Record<string, Answer> = {
    initialize: ({ params }) => ({
      protocolVersion: params.protocolVersion,
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: "bad", version: "1" },
    }),
    "notifications/initialized": () => new Response(null, { status: 202 }),
    "notifications/cancelled": () => new Response(null, { status: 202 }),
    "tools/list": () => ({ tools: [tool("echo")] }),
    "tools/call": ({ params }) => ({
      content: [{ type: "text", text: String(params.arguments.text) }],
    }),
    GET: () =>
      events((say, end) => {
        listeners.push({ say, end });
        say({ method: "notifications/message", params: { level: "info", data: "hello" } });
      }),
    DELETE: () => new Response(null, { status: 200 }),
    ...replaced,
  };
  const http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, respond);

  async function respond(request: Request): Promise<Response> {
    const message: Message = request.method === "POST"
      ? await request.json()
      : { method: request.method };
    seen.push(message.method);
    requests.push(request);
    const isOpening = message.method === "initialize";
    const isKnown = request.headers.get("mcp-session-id") === String(session);
    const answer = answers[message.method];
    if (!answer) return new Response("Bad Request: no session", { status: 400 });
    if (!isOpening && !isKnown && !(message.method in replaced)) {
      return new Response("Session not found", { status: 404 });
    }
    const result = await answer(message, request);
    if (result instanceof Response) return result;
    return Response.json({ jsonrpc: "2.0", id: message.id, result }, {
      headers: isOpening ? { "mcp-session-id": String(session) } : {},
    });
  }

  return {
    url: `http://127.0.0.1:${http.addr.port}/mcp`,
    seen,
    requests,
    answers,
    say: (message) => listeners.forEach(({ say }) => say(message)),
    forget() {
      session++;
      listeners.forEach(({ end }) => end());
      listeners = [];
    },
    [Symbol.asyncDispose]: () => http.shutdown(),
  };
}
