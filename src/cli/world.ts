/** What the commands need of the world. */
export interface World {
  args: string[];
  env: Record<string, string | undefined>;
  /** The folder of the migrations. */
  migrations: string;
  /** Writes a line to standard output. */
  print: (line: string) => void;
  /** Writes a line to standard error. */
  warn: (line: string) => void;
  readFile: (path: string) => string;
}
