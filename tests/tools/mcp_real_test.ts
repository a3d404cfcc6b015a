/** Servers that others wrote: those of the protocol's makers, and the SDK's of both eras. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Json } from "../../src/domain/json.ts";
import type { ToolOutput } from "../../src/domain/tool.ts";
import { newEraHttp } from "../kit/mcp/new_era.ts";
import { call, newProgram, packageArgs, program, until, withServer } from "../kit/mcp/server.ts";
import type { McpServer } from "../../src/tools/mcp/mcp_server.ts";

const EVERYTHING = "@modelcontextprotocol/server-everything";
const FILESYSTEM = "@modelcontextprotocol/server-filesystem";

async function useEverything(server: McpServer): Promise<void> {
  const tools = await server.tools();
  assertEquals(server.status, { status: "ready" });
  const names = tools.map(({ name }) => name);
  assertEquals(names, [...names].sort());
  assert(names.includes("echo") && names.length >= 10, names.join());
  assertEquals(await call(server, "echo", { message: "hi" }), { output: "Echo: hi" });
  const image = await call(server, "get-tiny-image") as ToolOutput;
  assertEquals(image.files?.map(({ mediaType, filename }) => [mediaType, filename]), [
    ["image/png", "image-1.png"],
  ]);
  assertEquals([...image.files![0]!.bytes.subarray(1, 4)], [..."PNG"].map((c) => c.charCodeAt(0)));
  assertEquals((image.output as { content: Json[] }).content[1], {
    type: "file",
    mediaType: "image/png",
    filename: "image-1.png",
  });
  const structured = await call(server, "get-structured-content", { location: "New York" });
  assert("output" in structured);
  assertStringIncludes(JSON.stringify(structured.output), '"structuredContent":{"temperature"');
  const wrong = await call(server, "get-sum", { a: 1, b: "x" });
  assertMatch((wrong as { errorText: string }).errorText, /expected number/);
  const progress: Json[] = [];
  const long = await call(
    server,
    "trigger-long-running-operation",
    { duration: 0.6, steps: 2 },
    undefined,
    (output) => progress.push(output),
  );
  assertMatch(String((long as ToolOutput).output), /completed/);
  // On a busy machine the second comes too soon after the first.
  assertEquals(progress[0], { progress: 1, total: 2 });
  const gone = await call(server, "nonsense");
  assertMatch((gone as { errorText: string }).errorText, /nonsense not found/);
}

Deno.test("server-everything by standard input and output", async () => {
  await withServer(program(await packageArgs(EVERYTHING, "stdio")), useEverything);
});

for (const [name, kind] of [["streamable HTTP", "streamableHttp"], ["HTTP with SSE", "sse"]]) {
  Deno.test(`server-everything by ${name}`, async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const child = new Deno.Command(Deno.execPath(), {
      args: await packageArgs(EVERYTHING, kind!),
      env: { PORT: String(port) },
      stdout: "null",
      stderr: "null",
    }).spawn();
    const path = kind === "sse" ? "sse" : "mcp";
    const url = `http://127.0.0.1:${port}/${path}`;
    try {
      await until(() => Deno.connect({ port }).then((conn) => (conn.close(), true), () => false));
      // Which of the two it is has to be found out.
      await withServer({ url, type: "http", headers: {} }, useEverything);
    } finally {
      child.kill("SIGKILL");
      await child.status;
    }
  });
}

Deno.test("server-filesystem reads and writes files in its folder alone", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await withServer(program(await packageArgs(FILESYSTEM, folder)), async (server) => {
      const tools = await server.tools();
      const find = (name: string) => tools.find((tool) => tool.name === name)!;
      assertEquals(find("read_text_file").readOnly, true);
      assertEquals([find("write_file").readOnly, find("write_file").idempotent], [false, true]);
      const path = `${folder}/a.txt`;
      await call(server, "write_file", { path, content: "hello" });
      assertEquals(await Deno.readTextFile(path), "hello");
      assertMatch(JSON.stringify(await call(server, "read_text_file", { path })), /hello/);
      const outside = await call(server, "read_text_file", { path: "/etc/passwd" });
      assertMatch((outside as { errorText: string }).errorText, /Access denied/);
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function useNewEra(server: McpServer): Promise<void> {
  const names = async () => (await server.tools()).map(({ name }) => name);
  assertEquals(await names(), ["add", "echo", "slow"]);
  assertEquals((await server.tools())[1]!.readOnly, true);
  assertEquals(await call(server, "echo", { text: "hi" }), { output: "hi" });
  const stop = new AbortController();
  const progress = Promise.withResolvers<Json>();
  const slow = call(server, "slow", {}, stop.signal, progress.resolve);
  assertEquals(await progress.promise, { progress: 1, total: 2, message: "half" });
  stop.abort("test");
  assertMatch((await slow as { errorText: string }).errorText, /cancelled/);
  assertEquals(await call(server, "add", { name: "more" }), { output: "done" });
  await until(async () => (await names()).includes("more"));
}

Deno.test("the era of 2026 by standard input and output", async () => {
  await withServer(newProgram(), useNewEra);
});

Deno.test("the era of 2026 by HTTP", async () => {
  const stopped = Promise.withResolvers<void>();
  const handler = newEraHttp(stopped.resolve);
  const http = Deno.serve({ port: 0, onListen: () => {} }, (request) => handler.fetch(request));
  try {
    const url = `http://127.0.0.1:${http.addr.port}/mcp`;
    await withServer({ url, type: "http", headers: {} }, async (server) => {
      await useNewEra(server);
      await stopped.promise;
    });
  } finally {
    await handler.close();
    await http.shutdown();
  }
});
