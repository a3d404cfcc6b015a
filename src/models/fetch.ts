/**
 * The `fetch` that providers are asked by. Two habits of Deno's own would break promises:
 *
 * - The signal of a fetch stops working once its response is garbage collected, and the AI SDK keeps
 *   nothing of it but the body: a stop would not reach the provider. So the signal holds the response.
 * - A request on a kept connection that closes without an answer is sent again in silence: a second
 *   paid request that the ledger has not seen. A body that can be read only once cannot be sent twice.
 */
export const providerFetch: typeof fetch = async (input, init) => {
  const body = init?.body;
  const response = await fetch(input, {
    ...init,
    ...(typeof body === "string" && { body: readOnce(body) }),
  });
  init?.signal?.addEventListener("abort", () => void response);
  return response;
};

function readOnce(text: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}
