/** `deno task dev`: a file that is saved restarts the server, whatever it is doing. */
import { assertEquals } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { cleanEnv } from "../kit/process.ts";
import { clientOf, eventually, statusOf } from "./client.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** What the task needs of the repository. */
const SOURCES = ["main.ts", "deno.json", "deno.lock", "src", "migrations", "tests/std_assert"];

interface Dev extends AsyncDisposable {
  folder: string;
  /** The address of the n-th server that came up. */
  server(n: number): Promise<string>;
  said(): string;
}

/** Starts the task on a copy of the repository. */
async function startDev(): Promise<Dev> {
  const folder = await Deno.makeTempDir({ prefix: "parley-dev-" });
  await Deno.mkdir(`${folder}/tests`);
  for (const source of SOURCES) {
    await new Deno.Command("cp", { args: ["-r", ROOT + source, `${folder}/${source}`] }).output();
  }
  // Its own session, so that all that it starts can be ended with it.
  const child = new Deno.Command("setsid", {
    args: [Deno.execPath(), "task", "dev"],
    cwd: folder,
    clearEnv: true,
    env: {
      ...cleanEnv(),
      NO_COLOR: "1",
      PARLEY_DATA: `${folder}/data`,
      PARLEY_LISTEN: "127.0.0.1:0",
      PARLEY_TOKENS: "alice=alice-secret",
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let said = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) said += chunk;
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  return {
    folder,
    said: () => said,
    server: (n) =>
      eventually(`server ${n} listens`, () => {
        const urls = [...said.matchAll(/Parley listens on (\S+)\n/g)].map(([, url]) => url!);
        return Promise.resolve(urls[n - 1]);
      }).catch((error) => {
        throw new Error(`${error.message}:\n${said}`);
      }),
    async [Symbol.asyncDispose]() {
      await new Deno.Command("kill", { args: ["-INT", "--", `-${child.pid}`] }).output();
      await child.status;
      await reading;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test({
  name: "a file that is saved while an answer streams restarts the server, with what was said",
  ignore: !await Deno.stat("/usr/bin/setsid").catch(() => undefined),
  fn: async () => {
    await using dev = await startDev();
    let chat = "";
    let url = await dev.server(1);
    // The server takes the new code: twice, since the second start once hid what the first had kept.
    for (const version of ["7.0.1", "7.0.2"]) {
      const alice = clientOf(url, "alice-secret");
      chat = await alice.newChat({ title: version });
      const stream = new StreamReader(await alice.send(chat, "Hello ".repeat(80)));
      await stream.until("0:");
      await Deno.writeTextFile(
        `${dev.folder}/src/version.ts`,
        `export const VERSION = "${version}";\n`,
      );
      url = await dev.server(version === "7.0.1" ? 2 : 3);
      await stream.rest().catch(() => {});
      const built = await (await fetch(`${url}/api/v2/buildinfo`)).json();
      assertEquals(built.version, `v${version}+parley`);
      const history = await clientOf(url, "alice-secret").history(chat);
      assertEquals(history.map(({ role }) => role), ["user", "assistant"], dev.said());
    }
    // A file that does not compile leaves the next save to mend it.
    await Deno.writeTextFile(`${dev.folder}/src/version.ts`, "export const VERSION = ;\n");
    await eventually("it says why", () => Promise.resolve(/error/.test(dev.said()) || undefined));
    await Deno.writeTextFile(`${dev.folder}/src/version.ts`, 'export const VERSION = "7.0.3";\n');
    assertEquals(await statusOf(fetch(`${await dev.server(4)}/healthz`)), 200);
  },
});
