/** Users' text against the only thread: bodies, names, schemas, headers, forms; and what answers say. */
import { assert, assertEquals } from "@std/assert";
import { startStage, TOKENS } from "./kit.ts";

const MIB = 1024 * 1024;
const BODY = 8 * MIB - 200;
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const filled = (unit: string, length = BODY) => unit.repeat(Math.floor(length / unit.length));
const hello = { role: "user", content: "Hello" };

/** Bodies of up to 8 MiB that take long to parse, to walk or to check. */
function* bodies(): Generator<string> {
  const inside = (value: string) =>
    `{"model":"demo","message":{"role":"usr","content":"x","metadata":{"a":${value}}}}`;
  for (const unit of ["1,", "{},", '"a",', '{"a":1},']) yield inside(`[${filled(unit)}1]`);
  yield inside(`{${many(500_000, (n) => `"${n.toString(36)}":1`).join()}}`);
  yield inside(`${"[".repeat(BODY / 2)}${"]".repeat(BODY / 2)}`);
  yield inside(`${'{"a":'.repeat(15_000)}1${"}".repeat(15_000)}`);
  for (const escape of ["\\n", "\\u0041"]) yield inside(`"${filled(escape)}"`);
  // Within the bounds of JSON.
  yield inside(`{${many(24_000, (n) => `"${n.toString(36)}":1`).join()}}`);
  yield inside(`[${many(15_000, (n) => `{"${n.toString(36)}":1}`).join()}]`);
  yield inside(`[${many(90_000, (n) => `"${n.toString(36)}"`).join()}]`);
  yield inside(`"${filled("x", BODY - 200)}"`);
  const parts = (count: number, part: string) =>
    `{"model":"demo","message":{"role":"user","parts":[${
      many(count, () => `{"type":"text",${part}}`).join()
    }]}}`;
  yield parts(1, `"providerMetadata":{${many(15_000, (n) => `"${n}":1`).join()}}`);
  yield parts(800, '"text":5');
  yield parts(15_000, '"text":""');
  yield `{"messages":[${many(9_000, () => '{"role":"user"}').join()}]}`;
}

Deno.test("bodies that are wide, deep or full of escapes", async () => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const all = [...bodies()];
  await stage.survive("bodies", async () => {
    for (const body of all) {
      const response = await stage.ask("POST", `/api/v2/chats/${chat}/messages`, { body });
      const { validations } = await response.json();
      assertEquals([response.status, typeof validations[0].field], [400, "string"]);
    }
  });
});

/** Texts that regexes with nested or neighbouring repetitions stumble over. */
const PUMPS = [
  "a",
  "a.",
  "://",
  "a://",
  "://a@",
  "sk-",
  "Bearer ",
  " ",
  "\t",
  "/",
  "a/",
  ";",
  "a=b;",
  '"',
  "\\",
  ",",
  ", ",
  "%41",
  "-",
  ":",
  "0",
  "'",
  "<think>",
];

Deno.test("long names, types, URLs, headers and paths", async () => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const path = `/api/v2/chats/${chat}`;
  await stage.survive("names of 160 kB and a megabyte", async () => {
    for (const pump of PUMPS) {
      const text = filled(pump, pump === "a." ? MIB : 160_000);
      const url = `https://a.example/${text}`;
      const file = { type: "file", mediaType: `image/${text}`, url: "https://a.example/" };
      const messages = [
        { ...hello, parts: [file] },
        { ...hello, parts: [{ ...file, mediaType: "image/png", url }] },
        { ...hello, parts: [{ ...file, mediaType: "image/png", url: `data:${text};base64,AA==` }] },
        { ...hello, experimental_attachments: [{ url: `data:${text}`, name: text }] },
        { ...hello, id: text },
        { ...hello, parts: [{ type: text }] },
      ];
      for (const message of messages) {
        const { status } = await stage.ask("POST", `${path}/messages`, {
          body: { message, model: "demo" },
        });
        assertEquals(status, 400, pump);
      }
      for (const body of [{ title: text }, { title: `${text}\u0000` }, { branch: text }]) {
        assertEquals((await stage.ask("PATCH", path, { body })).status, 400, pump);
      }
    }
  });
  const names = [
    "range",
    "accept",
    "accept-encoding",
    "content-type",
    "cookie",
    "if-none-match",
    "last-event-id",
    "idempotency-key",
    "authorization",
    "origin",
    "x-request-id",
    "content-disposition",
    "if-range",
    "forwarded",
  ];
  await stage.survive("headers and paths of 30 kB", async () => {
    for (const pump of PUMPS) {
      const text = filled(pump, 30_000).trim();
      for (const name of names) {
        const headers = { [name]: text };
        const cookie = { cookie: `${text}; coder_session_token=${TOKENS.mallory}` };
        await (await stage.ask("GET", path, { headers })).text();
        await (await stage.ask("GET", path, {
          token: null,
          headers: { ...headers, ...(name === "cookie" && cookie) },
        })).text();
      }
      await (await stage.ask("POST", `${path}/files`, {
        body: "--B\r\n",
        headers: { "content-type": `multipart/form-data; ${text}; boundary=B` },
      })).text();
      const inUrl = encodeURIComponent(text).replaceAll("'", "%27").slice(0, 29_000).replace(
        /%.?$/,
        "",
      );
      for (const rest of ["/", "/messages?limit=", "/files/", "/stream?after="]) {
        await (await stage.ask("GET", path + rest + inUrl)).text();
      }
    }
  });
});

const format = (schema: unknown) => ({ type: "json_schema", json_schema: { schema } });

/** Definitions of which each refers to the next one twice. */
function doubling(length: number) {
  const to = (index: number) => ({ $ref: `#/$defs/d${index}` });
  return {
    ...to(0),
    $defs: Object.fromEntries(
      many(
        length,
        (n) => [`d${n}`, n === length - 1 ? { type: "number" } : { allOf: [to(n + 1), to(n + 1)] }],
      ),
    ),
  };
}

Deno.test("schemas that cannot be checked in time, and answers", async () => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const schemas = [
    doubling(60),
    doubling(1_000),
    { enum: many(90_000, (n) => n) },
    { anyOf: many(9_000, (n) => ({ pattern: `^(a+)+${n}$` })) },
    { anyOf: many(900, () => ({ anyOf: many(9, () => ({ $ref: "#" })) })) },
    { pattern: "(".repeat(100_000) },
    { pattern: `${"(a{1,9}){1,9}".repeat(30)}` },
    { pattern: "\\p{L}|".repeat(80) },
    { patternProperties: Object.fromEntries(many(3_000, (n) => [`(x+x+)+${n}`, {}])) },
    { $ref: `#/${"a/".repeat(50_000)}` },
    {
      $defs: Object.fromEntries(
        many(4_000, (n) => [`d${n}`, { $id: `https://a.example/${n}`, $ref: "#" }]),
      ),
    },
    { required: many(90_000, (n) => `${n}`) },
  ];
  await stage.survive("schemas", async () => {
    for (const schema of schemas) {
      const response = await stage.send(chat, "Hello", { response_format: format(schema) });
      const { validations } = await response.json();
      assertEquals(response.status, 400, JSON.stringify(schema).slice(0, 99));
      assert(validations[0].field.startsWith("response_format.json_schema.schema"));
    }
  });
  const wide = many(9_000, (n) => n);
  const answers: [schema: unknown, answer: unknown, isRight: boolean][] = [
    [{ pattern: "^(a+)+$" }, `${"a".repeat(9_999)}!`, false],
    [{ pattern: "^(a|a)*$" }, `${"a".repeat(500_000)}!`, false],
    [{ pattern: "(x+x+)+y" }, "x".repeat(9_999), false],
    [{ items: { pattern: "^(\\w+\\s?)+$" } }, many(99, () => "a".repeat(999)), true],
    [
      { propertyNames: { pattern: "^(a+)+$" } },
      Object.fromEntries(many(9_000, (n) => ["a".repeat(50) + n, 1])),
      false,
    ],
    [{ patternProperties: { "^(a+)+$": { type: "null" } } }, { ["a".repeat(9_999)]: 1 }, false],
    [{ uniqueItems: true }, wide, true],
    [{ uniqueItems: true }, many(3_000, (n) => ({ n: [n] })), true],
    [{ items: { enum: wide } }, wide, true],
    [{ items: { oneOf: many(1_500, (n) => ({ const: n })) } }, wide, false],
    [{ items: { format: "email" } }, many(99, () => `a@${"a.".repeat(900)}`), false],
    [{ format: "uri" }, `https://${"a".repeat(100_000)}`, false],
    [{}, JSON.parse(`${"[".repeat(60)}${"]".repeat(60)}`), true],
  ];
  await stage.survive("answers", async () => {
    for (const [schema, answer, isRight] of answers) {
      stage.provider.script({ steps: [{ text: JSON.stringify(answer) }] });
      const response = await stage.send(chat, "Hello", { response_format: format(schema) });
      const text = await response.text();
      assertEquals(response.status, 200, text);
      assertEquals(
        /^3:/m.test(text),
        !isRight,
        `${JSON.stringify(schema).slice(0, 99)} ${text.slice(-300)}`,
      );
    }
  });
});

Deno.test("uploads that are hard to read", async () => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const part = '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n';
  const FULL = 10 * MIB - 500;
  const forms = [
    filled(part, FULL),
    filled("--B\r\n", FULL),
    `--B\r\n${filled("a: b\r\n", FULL)}`,
    filled("\r\n--B", FULL),
  ];
  const types = ["B", `"B"${";".repeat(20_000)}`, `${" ".repeat(20_000)}B`];
  await stage.survive("forms", async () => {
    for (const body of forms) {
      for (const type of types) {
        const headers = { "content-type": `multipart/form-data; boundary=${type}` };
        const { status } = await stage.ask("POST", `/api/v2/chats/${chat}/files`, {
          body: `${body}\r\n--B--\r\n`,
          headers,
        });
        assertEquals(status, 400);
      }
    }
  });
});
