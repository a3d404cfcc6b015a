/** The file of a form: as any client encodes it, and nothing of a form that is none. */
import { assertEquals } from "@std/assert";
import { fileOfForm } from "../../src/http/form.ts";

async function encoded(form: FormData): Promise<[Uint8Array<ArrayBuffer>, string]> {
  const response = new Response(form);
  const type = response.headers.get("content-type")!;
  return [new Uint8Array(await response.arrayBuffer()), type];
}

Deno.test("a form that the runtime makes is read as it was made", async () => {
  const contents = ["", "hello", "\r\n", "--", "\r\n--x\r\n\r\n", "\u0000é😀".repeat(9_999)];
  const names = ["a.txt", "a ü 漢.png", "a;b=c.txt", "C:\\x.txt"];
  for (const [index, content] of contents.entries()) {
    const form = new FormData();
    form.set("note", "a text before");
    form.append("other", new File(["not this"], "other.txt"));
    const name = names[index % names.length]!;
    form.append("file", new File([content], name));
    form.append("file", new File(["nor this"], "second.txt"));
    const file = fileOfForm(...await encoded(form), "file");
    assertEquals(new TextDecoder().decode(file?.bytes), content);
    assertEquals(file?.name, name.replace("\\x", "x"));
  }
});

const head = (disposition: string) => `Content-Disposition: form-data; ${disposition}`;
const form = (...parts: string[]) =>
  parts.map((part) => `--B\r\n${part}\r\n`).join("") + "--B--\r\n";

const FORMS: [type: string, body: string, name: string | undefined][] = [
  [
    'multipart/form-data; boundary="B"',
    form(`${head('name="file"; filename="a \\"b\\""')}\r\n\r\n1`),
    'a "b"',
  ],
  [
    "multipart/form-data; charset=x;boundary=B",
    form(`content-type: a/b\r\n${head("name=file; filename=a")}\r\n\r\n1`),
    "a",
  ],
  ["multipart/form-data; boundary=B", form(`${head('name="file"')}\r\n\r\n1`), undefined],
  [
    "multipart/form-data; boundary=B",
    form(`${head('name="other"; filename="a"')}\r\n\r\n1`),
    undefined,
  ],
  [
    "multipart/form-data; boundary=C",
    form(`${head('name="file"; filename="a"')}\r\n\r\n1`),
    undefined,
  ],
  [
    "multipart/form-data; boundary=B",
    `--B\r\n${head('name="file"; filename="a"')}\r\n\r\nno end`,
    undefined,
  ],
  [
    "multipart/form-data; boundary=B",
    form(
      ...Array(100).fill(`${head('name="x"')}\r\n\r\n1`),
      `${head('name="file"; filename="a"')}\r\n\r\n1`,
    ),
    undefined,
  ],
  ["multipart/form-data", form(`${head('name="file"; filename="a"')}\r\n\r\n1`), undefined],
  ["multipart/form-data; boundary=B", "", undefined],
];

Deno.test("forms of other clients are read, and what is no form is none", () => {
  for (const [type, body, name] of FORMS) {
    const file = fileOfForm(new TextEncoder().encode(body), type, "file");
    assertEquals(file?.name, name, `${type} ${body.slice(0, 99)}`);
    if (file) assertEquals(new TextDecoder().decode(file.bytes), "1");
  }
});
