/** How to reach one MCP server. */
export interface McpServerConfig {
  /** The prefix of its tools' names: letters, digits, `-` and single `_`, at most 32, unique. */
  name: string;
  /** Its name as it was given, for people. */
  title: string;
  target: McpProgram | McpUrl;
  /** How long a call may go without a sign of life, in milliseconds. */
  timeoutMs?: number;
  /** What must not be shown. */
  secrets: string[];
}

/** A server that is a program, spoken to by its standard input and output. */
export interface McpProgram {
  command: string;
  args: string[];
  /** What it gets beside the few variables that every program gets. */
  env: Record<string, string>;
  cwd?: string;
}

/** A server at a URL. */
export interface McpUrl {
  url: string;
  /** `sse` is the transport of 2024: one stream of events for all answers. */
  type: "http" | "sse";
  headers: Record<string, string>;
}
