/** Every regex of the source against texts made to hurt it: none takes more than linear time. */
import { assert, assertEquals } from "@std/assert";
import { fileOfForm } from "../../src/http/form.ts";
import { createLogger } from "../../src/observe/log.ts";
import { createMask } from "../../src/observe/mask.ts";
import { cleanTitle } from "../../src/runs/title.ts";
import { decodeMessage } from "../../src/wire/sent_message.ts";
import { nameSchema } from "../../src/wire/validate.ts";
import { FakeClock } from "../kit/clock.ts";
import { SLACK } from "./kit.ts";

const SRC = new URL("../../src/", import.meta.url).pathname;

/** Only operators write what the regexes in there read. */
const OPERATORS = /^(build|cli|config|store)\//;

/** Regexes for texts that are always short, with how long these may be. */
const SHORT: Readonly<Record<string, number>> = {
  "[\\s,.(&+/-]+$": 40,
  "\\s*\\S+\\s*$|\\s*\\S+": 1_000,
};

/** Short enough for an exponential regex to end, and long enough for a quadratic one to show. */
const LENGTHS = [24, 20_000];

/** What may pass at a text of 20,000 characters; a linear regex takes less than one, in milliseconds. */
const LIMIT = 60;

const PUMPS = [
  ..."aA0 \t\n.,:;/\\@-_=+%'\"?#<>()é漢",
  "a.",
  "a@",
  "://",
  "a://",
  ", ",
  "; ",
  "a=",
  "0-",
  "sk-",
  '\\"',
  "\r\n",
];

async function* sources(folder = SRC): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* sources(`${folder}${name}/`);
    else yield folder + name;
  }
}

/** The regexes in a source, found by their looks: behind an opening or an operator, up to the next `/`. */
function regexesIn(source: string): RegExp[] {
  const code = source.replace(/^\s*(\/\/|\/?\*).*$/gm, "");
  const found = code.matchAll(
    /(?<=[(,=:[!&|?]\s*|return |^\s+)\/(?![/*])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+)\/([dgimsuvy]*)(?=[\s.,;)\]])/gm,
  );
  return [...found].map(([, body, flags]) => new RegExp(body!, flags));
}

function slowest(regex: RegExp): { ms: number; text: string } {
  let worst = { ms: 0, text: "" };
  const words = regex.source.replace(/\\[a-zA-Z]/g, " ").match(/[\w:/@<>-]{2,}/g) ?? [];
  const most = SHORT[regex.source] ?? Infinity;
  for (const length of LENGTHS) {
    for (const pump of [...PUMPS, ...words]) {
      for (const before of ["", ...words.slice(0, 2)]) {
        for (const after of ["", "\u0000"]) {
          const body = pump.repeat(Math.ceil(length / pump.length)).slice(0, length);
          const text = (before + body + after).slice(0, most);
          const begun = performance.now();
          text.replace(regex, "");
          const ms = performance.now() - begun;
          if (ms > worst.ms) {
            worst = { ms, text: `${before}${pump}… × ${length}${JSON.stringify(after)}` };
          }
          if (ms > LIMIT) return worst;
        }
      }
    }
  }
  return worst;
}

Deno.test("no regex takes more than linear time", async () => {
  let count = 0;
  for await (const path of sources()) {
    const name = path.slice(SRC.length);
    if (OPERATORS.test(name)) continue;
    for (const regex of regexesIn(await Deno.readTextFile(path))) {
      count++;
      // A busy machine may interrupt one.
      const { ms, text } = [slowest(regex), slowest(regex)].reduce((a, b) => a.ms < b.ms ? a : b);
      assert(ms <= LIMIT * SLACK, `${name}: ${regex} takes ${ms.toFixed(0)} ms for ${text}`);
    }
  }
  assert(count > 30, `found ${count} regexes`);
});

Deno.test("what shows them is shown: a quadratic and an exponential regex", () => {
  for (const regex of [/\/+$/, /^(a+)+$/, /\b[a-z][a-z0-9+.-]*:\/\//]) {
    assert(slowest(regex).ms > LIMIT);
  }
  assertEquals(
    regexesIn("const a = /a[/]b/g;\nx.replace(/c\\/d/u, 1 / 2);\n// no /e/ here\n").map(String),
    ["/a[/]b/g", "/c\\/d/u"],
  );
});

Deno.test("what users say passes every function in linear time", () => {
  const mask = createMask(["a-secret"]);
  const log = createLogger({
    level: "info",
    format: "text",
    clock: new FakeClock(),
    mask,
    write: () => {},
  });
  const message = (part: object) => {
    try {
      decodeMessage({ role: "user", parts: [{ type: "text", text: "x" }, part] }, {
        chars: 1_000,
        files: 20,
        refusedUrls: "local",
      });
    } catch {
      // Refused, in time.
    }
  };
  const functions: Record<string, (text: string) => unknown> = {
    mask,
    log: (text) => log.log("info", "message", { text }),
    title: cleanTitle,
    name: (text) => nameSchema(text.length).safeParse(text),
    mediaType: (mediaType) => message({ type: "file", mediaType, url: "https://a.example/" }),
    url: (url) => message({ type: "file", mediaType: "image/png", url }),
    dataUrl: (url) => message({ type: "file", mediaType: "image/png", url: `data:${url}` }),
    base64: (data) => message({ type: "file", mimeType: "image/png", data }),
    type: (type) => message({ type }),
    form: (text) =>
      fileOfForm(
        new TextEncoder().encode(text),
        `multipart/form-data; ${text}; boundary=B`,
        "file",
      ),
    formBody: (text) =>
      fileOfForm(
        new TextEncoder().encode(
          `--B\r\nContent-Disposition: form-data; ${text}\r\n\r\n1\r\n--B--`,
        ),
        "multipart/form-data; boundary=B",
        "file",
      ),
  };
  for (const [name, call] of Object.entries(functions)) {
    for (const pump of PUMPS) {
      const text = pump.repeat(1_000_000 / pump.length);
      const took = [0, 1].map(() => {
        const begun = performance.now();
        call(text);
        return performance.now() - begun;
      });
      assert(
        Math.min(...took) < 300 * SLACK,
        `${name} takes ${took} ms for ${JSON.stringify(pump)}`,
      );
    }
  }
});
