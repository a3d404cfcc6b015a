/**
 * A worker that asks for a URL again and again from its first message, which is that URL, to its second,
 * which it answers with the longest that it waited, in milliseconds.
 */
/// <reference lib="deno.worker" />
let isDone = false;

self.onmessage = ({ data: url }) => {
  self.onmessage = () => isDone = true;
  probe(url);
};

async function probe(url: string): Promise<void> {
  let longest = 0;
  while (!isDone) {
    const begun = performance.now();
    await (await fetch(url)).arrayBuffer();
    longest = Math.max(longest, performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  self.postMessage(longest);
}
