/** What a hostile provider sends, and the thread that it runs on, so that it holds up no test. */
import { type Dialect, DIALECTS } from "../kit/dialects.ts";

const MIB = 1024 * 1024;

/** What answers to a request in a dialect. */
type Reply = (dialect: Dialect) => Response;

const EVENTS = { "content-type": "text/event-stream" };

function streamed(pieces: Iterable<string | Uint8Array>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return ReadableStream.from(function* () {
    for (const piece of pieces) yield typeof piece === "string" ? encoder.encode(piece) : piece;
  }());
}

function* times(count: number, piece: string): Generator<string> {
  for (let n = 0; n < count; n++) yield piece;
}

const events = (pieces: Iterable<string>) => new Response(streamed(pieces), { headers: EVENTS });

/** An answer with something between its begin and its end. */
const answer = (middle: (dialect: Dialect) => Iterable<string>): Reply => (dialect) =>
  events(function* () {
    yield dialect.begin;
    yield* middle(dialect);
    yield dialect.end("1");
  }());

/** 400 MB in less than half a megabyte. */
async function bomb(piece: string): Promise<Reply> {
  const packed = streamed(times(400, piece.repeat(Math.ceil(MIB / piece.length))))
    .pipeThrough(new CompressionStream("gzip") as ReadableWritablePair<Uint8Array, Uint8Array>);
  const bytes = await new Response(packed as ReadableStream<Uint8Array<ArrayBuffer>>).bytes();
  return () => new Response(bytes, { headers: { ...EVENTS, "content-encoding": "gzip" } });
}

/** A list of models of 100 MB. */
function list(): Response {
  return new Response(streamed(times(1_600, '{"id":"x"},'.repeat(5_957))));
}

const DEEP = '{"a":'.repeat(5_000) + "1" + "}".repeat(5_000);
const WIDE = "[" + "{},".repeat(40_000) + "{}]";

/** The attacks: what their answers end with, and what the provider replies. */
export const ATTACKS: [name: string, expected: RegExp, ...Reply[]][] = [
  [
    "an event that is too large",
    /an event of more than/,
    answer(({ delta }) => [delta(JSON.stringify("x".repeat(10 * MIB)))]),
  ],
  [
    "an event of the largest size",
    /finishReason":"stop"/,
    answer(({ delta }) => [delta(JSON.stringify("日".repeat(MIB)))]),
  ],
  [
    "text that is six times as long in the database",
    /finishReason":"stop"/,
    answer(({ delta }) => [delta(JSON.stringify("\u0001".repeat(0.6 * MIB)))]),
  ],
  [
    "bytes that unpack",
    /bytes|in the middle|"finishReason":"(other|error)"/,
    await bomb("\n"),
    await bomb("x"),
    await bomb(": \r\n\r\n"),
    await bomb("data: \n"),
  ],
  [
    "millions of tiny pieces",
    /"finishReason"/,
    answer(({ delta }) => times(20_000, delta('"a"').repeat(20))),
    answer(() => times(20_000, ": still thinking\n\n".repeat(50))),
  ],
  [
    "depth and width",
    /nested deeper|more (values )?than|invalid response|failed|without an answer|finishReason":"stop"/,
    answer(({ call }) => [call(DEEP)]),
    answer(({ call }) => [call(WIDE)]),
    answer(() => [`data: ${DEEP}\n\n`]),
    answer(() => [`data: {"choices":${WIDE},"candidates":${WIDE},"type":"x"}\n\n`]),
    answer(() => ["data: " + "[]\ndata: ,".repeat(100_000) + "\n\n"]),
  ],
  [
    "errors without end",
    /failed \(500\)/,
    () => new Response(streamed(times(1_600, "x".repeat(MIB / 16))), { status: 500 }),
    () => new Response(`{"error":${DEEP}}`, { status: 500 }),
  ],
];

/** Serves what the last message asks for: the number of an attack, and of one of its replies. */
function serve(scope: { onmessage: unknown; postMessage: (message: unknown) => void }): void {
  let reply: Reply = answer(({ delta }) => [delta('"hello"')]);
  scope.onmessage = ({ data: [attack, index] }: MessageEvent<[number, number]>) => {
    reply = ATTACKS[attack]![index + 2] as Reply;
    scope.postMessage("ready");
  };
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const body = await request.text();
      const dialect = Object.values(DIALECTS).find(({ model }) =>
        body.includes(`"${model}"`) || request.url.includes(model)
      );
      return dialect ? reply(dialect) : list();
    },
  );
  scope.postMessage(`http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`);
}

if ("WorkerGlobalScope" in globalThis) serve(globalThis as unknown as Parameters<typeof serve>[0]);
