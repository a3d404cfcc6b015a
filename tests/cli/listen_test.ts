/** What the listener does with connections that send nothing, too little or too much. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Connections, type Handler, serveConnection } from "../../src/cli/connections.ts";
import { accept, listen } from "../../src/cli/listen.ts";
import { UsageError } from "../../src/domain/errors.ts";

const SHORT = { first: 40, next: 80, flush: 20 };
const LONG = { first: 60_000, next: 60_000, flush: 20 };
const GET = "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** A listener with short limits, and what it logs. */
function listening(handler: Handler = () => new Response("served"), limit = 100, limits = SHORT) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = new Connections(
    serveConnection()!,
    handler,
    () => new Response(null, { status: 500 }),
    limits,
  );
  const logged: string[] = [];
  const stop = accept(listener, connections, limit, { log: (_, line) => logged.push(line) });
  const { port } = listener.addr as Deno.NetAddr;
  return {
    connect: async (text = "") => {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      await conn.write(new TextEncoder().encode(text));
      return conn;
    },
    connections,
    async [Symbol.asyncDispose]() {
      stop();
      await connections.shutdown();
    },
  };
}

/** All that comes until the connection is closed. */
async function textOf(conn: Deno.Conn): Promise<string> {
  return await new Response(conn.readable).text();
}

/** What comes first, and is not the end. */
async function answerOf(conn: Deno.Conn): Promise<string> {
  const bytes = new Uint8Array(4_096);
  const size = await conn.read(bytes);
  assert(size, "it was closed");
  return new TextDecoder().decode(bytes.subarray(0, size));
}

Deno.test("this Deno can serve a single connection", () => {
  assert(serveConnection(), "Parley's bounds on connections need Deno's serveHttpOnConnection");
});

Deno.test("a head that does not come in time ends its connection", async () => {
  await using server = listening();
  const none = ["", "GET / HTT", "GET / HTTP/1.1\r\nhost: local"];
  const one = [GET, `${GET}GET / HT`];
  const slow = await server.connect();
  const dripping = setInterval(() => slow.write(new Uint8Array([65])).catch(() => {}), 5);
  const ends = async (text: string) => await textOf(await server.connect(text));
  const [nothing, served] = await Promise.all([
    Promise.all(none.map(ends)),
    Promise.all(one.map(ends)),
    textOf(slow).catch(() => {}),
  ]);
  clearInterval(dripping);
  assertEquals(nothing, none.map(() => ""));
  for (const text of served) assert(text.endsWith("served"), text);
});

Deno.test("a request may take longer than a head", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  await using server = listening(() => {
    asked.resolve();
    return answer.promise;
  });
  const conn = await server.connect(GET);
  await asked.promise;
  assertEquals(await textOf(await server.connect()), "");
  assertEquals(await textOf(await server.connect()), "");
  answer.resolve(new Response("late"));
  assert((await textOf(conn)).endsWith("late"));
});

Deno.test("pipelined requests are answered in their order", async () => {
  let count = 0;
  await using server = listening(() => new Response(`<${++count}>`));
  const text = await textOf(await server.connect(GET.repeat(5)));
  assertEquals(text.match(/<\d>/g), ["<1>", "<2>", "<3>", "<4>", "<5>"]);
});

Deno.test("at the limit the connection that waited longest makes room, and never a busy one", async () => {
  const answers: PromiseWithResolvers<Response>[] = [];
  let asked = Promise.withResolvers<void>();
  const handler = (request: Request) => {
    if (new URL(request.url).pathname !== "/") return new Response("served");
    const answer = Promise.withResolvers<Response>();
    answers.push(answer);
    asked.resolve();
    return answer.promise;
  };
  await using server = listening(handler, 2, LONG);
  const begin = async () => {
    asked = Promise.withResolvers();
    const conn = await server.connect(GET);
    await asked.promise;
    return conn;
  };
  const busy = await begin();
  const idle = await server.connect();
  const served = await server.connect(GET.replace("/", "/now"));
  assertEquals(await textOf(idle), "");
  assert((await answerOf(served)).endsWith("served"));
  const busyToo = await begin();
  assertEquals(await textOf(served), "");
  // Now that all are busy, the next one waits.
  const waits = await server.connect(GET.replace("/", "/now"));
  const answer = answerOf(waits);
  for (const answer of answers) answer.resolve(new Response("at last"));
  assert((await answerOf(busy)).endsWith("at last"));
  assert((await answer).endsWith("served"));
  for (const conn of [busy, busyToo, waits]) conn.close();
});

Deno.test("a handler can close its connection in the middle of an answer", async () => {
  const cancelled = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<void>();
  await using server = listening((request, connection) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel: () => cancelled.resolve(),
    });
    setTimeout(() => connection.close(), 10);
    return new Response(body);
  });
  const conn = await server.connect(GET);
  await textOf(conn);
  await Promise.all([cancelled.promise, aborted.promise]);
});

Deno.test("a shutdown lets requests end and closes the other connections", async () => {
  const answer = Promise.withResolvers<Response>();
  const asked = Promise.withResolvers<void>();
  const server = listening(
    (request) => {
      if (new URL(request.url).pathname !== "/") return new Response("served");
      asked.resolve();
      return answer.promise;
    },
    100,
    LONG,
  );
  const idle = await server.connect();
  const half = await server.connect("GET / HT");
  const kept = await server.connect(GET.replace("/", "/now"));
  await answerOf(kept);
  const busy = await server.connect(GET);
  await asked.promise;
  const down = server[Symbol.asyncDispose]();
  for (const conn of [idle, half, kept]) assertEquals(await textOf(conn), "");
  answer.resolve(new Response("at last"));
  assert((await textOf(busy)).endsWith("at last"));
  await down;
});

Deno.test("the socket listens on while connections cannot be accepted", async () => {
  const conn = Promise.withResolvers<Deno.Conn>();
  const again = Promise.withResolvers<void>();
  let [tries, isClosed] = [0, false];
  const listener = {
    accept() {
      if (tries++ < 3) return Promise.reject(new Error("Too many open files (os error 24)"));
      again.resolve();
      return conn.promise;
    },
    close: () => isClosed = true,
  };
  const logged: string[] = [];
  const connections = new Connections(
    serveConnection()!,
    () => new Response(),
    () => new Response(),
  );
  const stop = accept(listener as unknown as Deno.Listener, connections, 10, {
    log: (level, line) => logged.push(`${level}: ${line}`),
  });
  await again.promise;
  assertEquals([logged, isClosed], [["error: no connection can be accepted"], false]);
  stop();
  conn.reject(new Error("closed"));
  await connections.shutdown();
});

Deno.test("a Unix socket is taken over only if nobody listens on it, and removed if it is ours", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/socket`;
  const config = {
    listen: { unix: path },
    limits: { streams: { total: 10, perUser: 10 } },
  } as Parameters<
    typeof listen
  >[0];
  const start = () => listen(config, () => new Response("served"), { log() {} }, () => {});
  // A process that was killed leaves its file.
  const killed = Deno.listen({ transport: "unix", path });
  Deno.renameSync(path, `${path}.kept`);
  killed.close();
  Deno.renameSync(`${path}.kept`, path);
  assert(Deno.lstatSync(path).isSocket);
  const first = await start();
  await assertRejects(start, UsageError, `Cannot listen on unix:${path}: Another program`);
  const conn = await Deno.connect({ transport: "unix", path });
  await conn.write(new TextEncoder().encode(GET));
  assert((await answerOf(conn)).endsWith("served"));
  conn.close();
  await first.shutdown();
  assertEquals([...Deno.readDirSync(folder)], []);

  const second = await start();
  Deno.removeSync(path);
  const other = Deno.listen({ transport: "unix", path });
  await second.shutdown();
  assert(Deno.lstatSync(path).isSocket, "it was another's");
  other.close();
  await Deno.remove(folder, { recursive: true });
});
