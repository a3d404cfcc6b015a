import { asProblem, Problem } from "./problem.ts";
import { Root } from "./root.ts";

const FILE = "AGENTS.md";

/** The most of it that is read, in bytes. */
const MOST_BYTES = 64 * 1024;

/**
 * What `AGENTS.md` in the workspace's folder says, 64 KiB at most; undefined if there is no such file, or
 * none that can be read.
 */
export async function agentsFile(root: string): Promise<string | undefined> {
  try {
    const file = new Root(root).open(FILE);
    try {
      const bytes = new Uint8Array(MOST_BYTES);
      const read = await file.read(bytes, 0);
      // A cut may be inside a character, which then stays with the decoder.
      return new TextDecoder().decode(bytes.subarray(0, read), { stream: read === MOST_BYTES });
    } finally {
      file.close();
    }
  } catch (error) {
    if (asProblem(error, FILE) instanceof Problem) return undefined;
    throw error;
  }
}
