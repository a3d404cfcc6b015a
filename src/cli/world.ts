import type { Sink } from "../observe/lines.ts";

/** The process that a command runs in, as tests can replace it. */
export interface World {
  args: string[];
  env: Record<string, string | undefined>;
  /** The folder of the migrations. */
  migrations: string;
  /** Writes a line to standard output, if anybody takes it. */
  print: (line: string) => void;
  /** Writes a line to standard error, if anybody takes it. */
  warn: (line: string) => void;
  /** Standard error for the log of a server, which must not wait for it. */
  stderr: Sink;
  readFile: (path: string) => string;
}
