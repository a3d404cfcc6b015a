/** The file of MCP servers: what others write works unchanged, and mistakes are told. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readConfig, secretsOf } from "../../src/config/config.ts";
import { readMcpConfig } from "../../src/config/mcp.ts";
import { UsageError } from "../../src/domain/errors.ts";

const read = (servers: unknown, env: Record<string, string> = {}) =>
  readMcpConfig(JSON.stringify({ mcpServers: servers }, null, 1), "mcp.json", env);

Deno.test("a file as others write it works unchanged", () => {
  const text = `{
    // What Claude, Cursor and others read.
    "mcpServers": {
      "files": { "command": "npx", "args": ["-y", "server-filesystem", "/tmp"] },
      "github": {
        "type": "stdio",
        "command": "\${BIN:-docker}",
        "args": ["run", "--name=\${NAME:-}", "\${TAG}"],
        "env": { "GITHUB_TOKEN": "\${TOKEN}" },
        "cwd": "/srv",
        "timeout": 5000,
        "alwaysAllow": ["read"],
        "disabled": false,
      },
      "remote": { "url": "https://mcp.example/\${TAG}/mcp?key=q-s3cret",
        "headers": { "Authorization": "Bearer \${TOKEN}" } },
      "old": { "type": "sse", "url": "http://localhost:1/sse" },
      "new": { "type": "streamable-http", "url": "http://localhost:1/mcp" },
      "off": { "disabled": true, "command": "\${NOT_SET}" },
    },
    "inputs": [],
  }`;
  const servers = readMcpConfig(text, "mcp.json", { TOKEN: "s3cret-token", TAG: "v1", BIN: "" });
  assertEquals(servers.map(({ secrets: _, ...rest }) => rest), [
    {
      name: "files",
      title: "files",
      target: { command: "npx", args: ["-y", "server-filesystem", "/tmp"], env: {} },
    },
    {
      name: "github",
      title: "github",
      target: {
        command: "docker",
        args: ["run", "--name=", "v1"],
        env: { GITHUB_TOKEN: "s3cret-token" },
        cwd: "/srv",
      },
      timeoutMs: 5000,
    },
    {
      name: "remote",
      title: "remote",
      target: {
        url: "https://mcp.example/v1/mcp?key=q-s3cret",
        type: "http",
        headers: { Authorization: "Bearer s3cret-token" },
      },
    },
    {
      name: "old",
      title: "old",
      target: { url: "http://localhost:1/sse", type: "sse", headers: {} },
    },
    {
      name: "new",
      title: "new",
      target: { url: "http://localhost:1/mcp", type: "http", headers: {} },
    },
  ]);
  assertEquals(servers.map(({ secrets }) => [...new Set(secrets)]), [
    [],
    ["s3cret-token"],
    ["s3cret-token", "Bearer s3cret-token", "q-s3cret"],
    [],
    [],
  ]);
});

Deno.test("every name leads to a prefix that is valid and its own", () => {
  const names = [
    "my server",
    "my.server",
    "my-server",
    "a__b",
    "_x_",
    "日本",
    "",
    "é",
    "x".repeat(100),
    "x".repeat(101),
    "__proto__",
    "server",
    "GitHub",
    "github",
  ];
  const text = names.map((name) => `${JSON.stringify(name)}: { "command": "x" }`).join();
  const servers = readMcpConfig(`{ "mcpServers": { ${text} } }`, "mcp.json", {});
  const prefixes = servers.map(({ name }) => name);
  assertEquals(servers.map(({ title }) => title), names);
  assertEquals(new Set(prefixes).size, names.length);
  for (const prefix of prefixes) assertMatch(prefix, /^(?!.*__)[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}$/);
  // A name that can stay as it is does, whatever stands before it.
  assertEquals(prefixes.slice(0, 4), ["my-server-2", "my-server-3", "my-server", "a_b"]);
  assertEquals(prefixes.slice(-3), ["server", "GitHub", "github"]);
});

Deno.test("no server has the prefix of Parley's own tools, whose policies it would share", () => {
  const text = ["workspace", "demo", "workspace-2"]
    .map((name) => `"${name}": { "command": "x" }`).join();
  const servers = readMcpConfig(`{ "mcpServers": { ${text} } }`, "mcp.json", {});
  assertEquals(servers.map(({ name }) => name), ["workspace-3", "demo-2", "workspace-2"]);
});

Deno.test("mistakes are told with file, server, field and what was expected, and no secret", () => {
  const of = (field: string, rest: string, line: number) =>
    `Invalid ${field} of the MCP server "a b": expected ${rest} (mcp.json, line ${line})`;
  const cases: [unknown, string][] = [
    ["s3cret", of("definition", "an object", 3)],
    [{}, of("command", "a program, or a url: found neither", 3)],
    [{ type: "stdio", url: "http://h" }, of("command", "a program, or a url: found neither", 3)],
    [{ type: "http", command: "x" }, of("url", "a URL, since the type is http; found none", 3)],
    [{ command: "x", url: "http://h" }, of("url", "either command or url, found both", 3)],
    [{ type: "ws", url: "ws://h" }, of("type", "stdio, http, streamable-http or sse", 4)],
    [{ command: "" }, of("command", "the name or path of a program", 4)],
    [{ command: 7 }, of("command", "the name or path of a program, found 7", 4)],
    [{ command: "x", args: "s3cret" }, of("args", "a list of texts", 5)],
    [{ command: "x", args: ["s3cret", 1] }, of("args.1", "a text, found 1", 7)],
    [{ command: "x", env: { PORT: 80 } }, of("env.PORT", "a text, found 80", 6)],
    [{ command: "x", env: null }, of("env", "an object of texts", 5)],
    [{ url: "https://u:s3cret@h" }, of("url", "an http or https URL without a user", 4)],
    [{ url: "ftp://h" }, of("url", "an http or https URL without a user", 4)],
    [
      { url: "http://h", headers: { A: "s3cret\n" + "x" } },
      of("headers", "an object of HTTP headers", 5),
    ],
    [
      { command: "x", timeout: "1s" },
      of("timeout", "a whole number of milliseconds from 1 to 86400000", 5),
    ],
    [
      { command: "x", timeout: 0.5 },
      of("timeout", "a whole number of milliseconds from 1 to 86400000, found 0.5", 5),
    ],
    [{ command: "x", disabled: "no" }, of("disabled", "true or false", 5)],
    [
      { command: "x", env: { A: "${NOT_SET}" } },
      of("env", "the environment variable NOT_SET to be set", 5),
    ],
  ];
  for (const [server, expected] of cases) {
    const { message } = assertThrows(() => read({ "a b": server }), UsageError);
    assertEquals(message, expected);
    assert(!/s3cret/.test(message), message);
  }
});

Deno.test("a file that is none is told", () => {
  const message = (text: string) =>
    assertThrows(() => readMcpConfig(text, "mcp.json", {}), UsageError).message;
  assertMatch(message("{"), /^The MCP configuration mcp\.json is not valid JSONC: .*line 1$/);
  assertEquals(message("[]"), "The MCP configuration mcp.json must contain an object.");
  assertEquals(
    message("{}"),
    "Invalid mcpServers: expected an object of servers (mcp.json, line 1)",
  );
  assertMatch(message('{"mcpServers":{"a":{},\n"a":{}}}'), /"a" is there twice.*line 2$/);
});

Deno.test("the file is named by a flag, a variable or the configuration file", () => {
  const files: Record<string, string> = {
    "mcp.json": '\uFEFF{"mcpServers":{"a":{"command":"x","env":{"T":"s3cret-token"}}}}',
    "parley.jsonc": '{"mcp_config":"mcp.json"}',
  };
  const readFile = (path: string) => {
    if (files[path] === undefined) throw new Error("none");
    return files[path];
  };
  const configOf = (flags: Record<string, string>, env: Record<string, string> = {}) =>
    readConfig({ flags, env: { HOME: "/h", ...env }, readFile });
  for (
    const config of [
      configOf({ "mcp-config": "mcp.json" }),
      configOf({}, { PARLEY_MCP_CONFIG: "mcp.json" }),
      configOf({ config: "parley.jsonc" }),
    ]
  ) {
    assertEquals(config.mcpServers.map(({ name }) => name), ["a"]);
    assert(secretsOf(config).includes("s3cret-token"));
  }
  assertEquals(configOf({}).mcpServers, []);
  const { message } = assertThrows(() => configOf({ "mcp-config": "no.json" }), UsageError);
  assertEquals(message, "Cannot read the MCP configuration no.json");
});
