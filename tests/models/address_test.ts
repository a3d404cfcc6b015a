/** Keys go where the configuration says, whatever else is in the environment. */
import { APICallError } from "@ai-sdk/provider";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ProviderConfig, ProviderType } from "../../src/domain/provider.ts";
import { ShortTurns } from "../../src/domain/turns.ts";
import { addressOf } from "../../src/models/address.ts";
import { discoverModels, ListFailure } from "../../src/models/discover.ts";
import { OpenRequests } from "../../src/models/open_requests.ts";
import { providerFactory } from "../../src/models/provider.ts";
import { chat } from "../cases/dialects.ts";
import { CaseServer } from "../cases/server.ts";
import { startParley } from "../kit/parley.ts";
import { callOf } from "../kit/provider/sdk.ts";

const OLLAMA: ProviderConfig = { type: "openai-compatible", name: "one", models: [] };

/** The addresses that are asked while `act` runs; nothing leaves the machine. */
async function askedBy(act: () => Promise<unknown>): Promise<string[]> {
  const asked: string[] = [];
  const { fetch } = globalThis;
  globalThis.fetch = (input) => {
    asked.push(String(input));
    return Promise.resolve(new Response("{}", { status: 500 }));
  };
  try {
    await act().catch(() => {});
    return asked;
  } finally {
    globalThis.fetch = fetch;
  }
}

async function asks(type: ProviderType, baseUrl?: string): Promise<string> {
  const provider: ProviderConfig = { type, name: "one", apiKey: "key", baseUrl, models: ["m"] };
  const create = providerFactory(provider, {
    turns: new ShortTurns(),
    requests: new OpenRequests(),
  });
  const [url = ""] = await askedBy(async () => {
    const client = await create("m");
    await client.stream(callOf("hi"), new AbortController().signal, () => {});
  });
  return url;
}

Deno.test("an address in the environment gets nothing of a provider that has its own", async () => {
  const names = ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GENERATIVE_AI_BASE_URL"];
  for (const name of names) Deno.env.set(name, "http://127.0.0.1:9/elsewhere");
  try {
    assertEquals(await asks("openai"), "https://api.openai.com/v1/responses");
    assertEquals(await asks("anthropic"), "https://api.anthropic.com/v1/messages");
    assertEquals(new URL(await asks("google")).host, "generativelanguage.googleapis.com");
  } finally {
    for (const name of names) Deno.env.delete(name);
  }
});

Deno.test("an address is taken as its makers' tools take it: with or without its version", async () => {
  const base = "http://127.0.0.1:9/a";
  assertEquals(await asks("anthropic", `${base}/v1`), `${base}/v1/messages`);
  assertEquals(await asks("anthropic", base), `${base}/v1/messages`);
  assertEquals(await asks("openai", `${base}/v1/`), `${base}/v1/chat/completions`);
  assertEquals(await asks("openai", `${base}/v1/chat/completions`), `${base}/v1/chat/completions`);
  assertEquals(await asks("openai-compatible", base), `${base}/chat/completions`);
  assertEquals(addressOf({ type: "google", baseUrl: base }), `${base}/v1beta`);
});

Deno.test("a server that is at its version alone is found without it", async () => {
  for (const path of ["", "/", "/api", "/v1/chat/completions/"]) {
    await using server = new CaseServer(({ path }) =>
      path === "/v1/models"
        ? { plain: true, chunks: ['{"data":[{"id":"m"}]}'] }
        : path === "/v1/chat/completions"
        ? { chunks: chat.answer("Hello") }
        : { plain: true, status: 404, chunks: ["404 page not found"] }
    );
    const baseUrl = `${server.url}${path}`;
    const provider: ProviderConfig = { ...OLLAMA, baseUrl };
    assertEquals(await discoverModels(provider), ["m"]);
    const lines = { turns: new ShortTurns(), requests: new OpenRequests() };
    const client = await providerFactory(provider, lines)("m");
    let text = "";
    for (let turn = 0; turn < 2; turn++) {
      await client.stream(callOf("hi"), new AbortController().signal, (part) => {
        if (part.type === "text-delta") text += part.delta;
      });
    }
    assertEquals(text, "HelloHello");
  }
});

Deno.test("a model that a server at its version does not have is told so", async () => {
  await using server = new CaseServer(({ path }) => ({
    plain: true,
    status: 404,
    chunks: [path.startsWith("/v1/") ? '{"error":{"message":"model not found"}}' : "no such page"],
  }));
  const provider: ProviderConfig = { ...OLLAMA, baseUrl: server.url };
  const lines = { turns: new ShortTurns(), requests: new OpenRequests() };
  const client = await providerFactory(provider, lines)("m");
  const failure = await assertRejects(
    () => client.stream(callOf("hi"), new AbortController().signal, () => {}),
    APICallError,
  );
  assertMatch(failure.responseBody!, /model not found/);
});

Deno.test("a model of Ollama is found without its tag", async () => {
  await using server = new CaseServer(() => ({ chunks: chat.answer("Hello") }));
  await using parley = await startParley({
    env: {
      PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
      PARLEY_AI_PROVIDER_0_BASE_URL: server.url,
      PARLEY_AI_PROVIDER_0_MODELS: "gemma3:latest",
    },
  });
  const id = await parley.newChat({ body: { title: "A chat" } });
  const message = { role: "user", content: "hi" };
  const body = { message, model: "gemma3" };
  const response = await parley.ask("POST", `/api/v2/chats/${id}/messages`, { body });
  assertMatch(await response.text(), /Hello/);
  assertEquals(server.seen[0]!.body.model, "gemma3:latest");
});

Deno.test("a refusal to list models says why, and what there is not is told as it was asked", async () => {
  const refusals: [status: number, body: string, kind: string, words: RegExp][] = [
    [400, '{"error":{"message":"Authentication Error, no such token"}}', "key_refused", /no such/],
    [400, '{"message":"a provider header is required"}', "list_failed", /400.*: a provider header/],
    [404, "404 page not found", "list_failed", /404.*page not found/],
  ];
  for (const [status, body, kind, words] of refusals) {
    await using server = new CaseServer(() => ({ plain: true, status, chunks: [body] }));
    const failure = await assertRejects(
      () => discoverModels({ ...OLLAMA, baseUrl: server.url }),
      ListFailure,
    );
    assertEquals(failure.kind, kind);
    assertMatch(failure.message, words);
  }
});

Deno.test("lists of models are read in the forms that servers send", async () => {
  const forms = [
    { object: "list", data: [{ id: "a" }, { id: "b" }] },
    [{ id: "a" }, { id: "b", type: "chat" }],
    { models: [{ name: "a", model: "a" }, { name: "b" }] },
    { data: ["a", "b", "a"] },
  ];
  for (const form of forms) {
    await using server = new CaseServer(() => ({ plain: true, chunks: [JSON.stringify(form)] }));
    const provider = { type: "openai-compatible", name: "one", baseUrl: server.url, models: [] };
    assertEquals(await discoverModels(provider as ProviderConfig), ["a", "b"]);
  }
});
