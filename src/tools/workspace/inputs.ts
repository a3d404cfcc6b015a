/** The tools of the workspace, with what each takes. */
import { z } from "zod";
import type { JsonObject } from "../../domain/json.ts";
import type { ToolEffects } from "../../domain/tool.ts";
import type { OwnTool } from "../tool_server.ts";
import { Problem } from "./problem.ts";
import { SKIPPED } from "./walk.ts";

const path = z.string().min(1).max(4_096);
const text = z.string().max(1024 * 1024);
const id = z.string().max(64);

/** What each tool takes. */
const INPUTS = {
  read: z.strictObject({
    path: path.describe("A file of the workspace, or the name of a command's long output."),
    offset: z.int().min(1).optional().describe("The first line, from 1."),
    limit: z.int().min(1).optional().describe("The most lines. Defaults to 2,000."),
  }),
  list: z.strictObject({ path: path.optional().describe("A folder. Defaults to the workspace.") }),
  glob: z.strictObject({
    pattern: z.string().min(1).max(1_000).describe("For example src/**/*.{ts,tsx}."),
    path: path.optional().describe("The folder to look in. Defaults to the workspace."),
  }),
  grep: z.strictObject({
    pattern: z.string().min(1).max(1_000).describe(
      "A regular expression in the syntax of RE2; it begins with (?i) to ignore case.",
    ),
    path: path.optional().describe("A file, or a folder. Defaults to the workspace."),
    glob: z.string().min(1).max(1_000).optional().describe("Only these files, such as *.ts."),
  }),
  write: z.strictObject({ path, content: text }),
  edit: z.strictObject({
    path,
    old_string: text.describe("The exact text to replace, with enough lines to be unique."),
    new_string: text,
    replace_all: z.boolean().optional().describe("Replace it everywhere."),
  }),
  execute: z.strictObject({
    command: z.string().min(1).max(128 * 1024),
    timeout_seconds: z.number().min(0.1).max(600).optional().describe("Defaults to 120."),
    background: z.boolean().optional().describe("Do not wait for it; gives an id."),
  }),
  process_output: z.strictObject({ id }),
  process_list: z.strictObject({}),
  process_signal: z.strictObject({
    id,
    signal: z.enum(["TERM", "KILL", "INT", "HUP", "USR1", "USR2"]),
  }),
};

/** The name of a tool. */
export type ToolName = keyof typeof INPUTS;

const LOOKS = { readOnly: true, idempotent: true };
const CHANGES = { readOnly: false, idempotent: false };

const SKIPS = `${SKIPPED.join(" and ")} are left out unless they are asked for.`;

const TOOLS: Readonly<Record<ToolName, ToolEffects & { description: string }>> = {
  read: {
    ...LOOKS,
    description: "Reads a text file of the workspace: up to 2,000 lines or 64 KiB at once.",
  },
  list: {
    ...LOOKS,
    description: "Lists a folder, one entry a line: name, folder/ or link@.",
  },
  glob: {
    ...LOOKS,
    description: "Finds files by a pattern for their path: *, ?, **, [a-z] and {a,b}. " + SKIPS,
  },
  grep: {
    ...LOOKS,
    description: "Finds lines that match a pattern, as path:number:line. Links are not followed. " +
      SKIPS,
  },
  write: {
    ...CHANGES,
    idempotent: true,
    description: "Creates or replaces a file, up to 1 MiB, with the folders that it needs.",
  },
  edit: {
    ...CHANGES,
    description: "Replaces a text in a file, exactly as it is there, and shows the change.",
  },
  execute: {
    ...CHANGES,
    description:
      "Runs a shell command in the workspace, without input. What it started ends with " +
      "it. The middle of a long output is left out, and can be read afterwards.",
  },
  process_output: {
    ...LOOKS,
    description:
      "Gives what a background command wrote since the last look, and its state. Waits " +
      "up to 2 s for something new.",
  },
  process_list: { ...LOOKS, description: "Lists the background commands of this chat." },
  process_signal: { ...CHANGES, description: "Sends a signal to a background command." },
};

/** The arguments of a call. @throws {Problem} if they do not fit: they are checked before, by the schema. */
export function inputOf<Tool extends ToolName>(tool: Tool, input: unknown): Input<Tool> {
  const parsed = INPUTS[tool].safeParse(input);
  if (parsed.success) return parsed.data as Input<Tool>;
  throw new Problem(`The arguments are not valid: ${z.prettifyError(parsed.error)}`);
}

type Input<Tool extends ToolName> = z.output<(typeof INPUTS)[Tool]>;

/** The tools as models see them, in a stable order. */
export function toolDefinitions(): OwnTool[] {
  return Object.entries(TOOLS).map(([name, tool]) => {
    const { $schema: _, ...schema } = z.toJSONSchema(INPUTS[name as ToolName]);
    return { name, ...tool, schema: schema as JsonObject };
  });
}
