/**
 * Long outputs of commands, until their chat is gone. Their files have no names: no tool and no other program
 * finds them, and nothing is left of them even after a crash.
 */
import { type FileHandle, open, rm } from "node:fs/promises";

/** What such an output is called, for `read`. */
const PREFIX = "output:";

/** The most outputs that are kept: of a chat, and in all. The oldest make room. */
const MOST = { perChat: 16, total: 128 };

/** The outputs of all chats. */
export class Outputs {
  readonly #kept = new Map<string, { chatId: string; file: FileHandle }>();

  /** A new file without a name. */
  async newFile(): Promise<FileHandle> {
    const path = await Deno.makeTempFile({ prefix: "parley-output-" });
    try {
      return await open(path, "r+");
    } finally {
      await rm(path);
    }
  }

  /** Keeps a file for a chat, under the name that it gives. */
  async keep(chatId: string, file: FileHandle): Promise<string> {
    const name = `${PREFIX}${crypto.randomUUID().slice(0, 13)}`;
    this.#kept.set(name, { chatId, file });
    const own = [...this.#kept].filter(([, kept]) => kept.chatId === chatId);
    const oldest = own.length > MOST.perChat
      ? own[0]
      : this.#kept.size > MOST.total
      ? [...this.#kept][0]
      : undefined;
    if (oldest) await this.#drop(oldest[0]);
    return name;
  }

  /** The file of that name, for its own chat only. */
  find(chatId: string, name: string): FileHandle | undefined {
    const kept = this.#kept.get(name);
    return kept?.chatId === chatId ? kept.file : undefined;
  }

  /** Lets go of a chat's outputs. */
  async leave(chatId: string): Promise<void> {
    for (const [name, kept] of [...this.#kept]) if (kept.chatId === chatId) await this.#drop(name);
  }

  /** Lets go of all outputs. */
  async close(): Promise<void> {
    for (const name of [...this.#kept.keys()]) await this.#drop(name);
  }

  async #drop(name: string): Promise<void> {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    await kept?.file.close().catch(() => {});
  }
}

/** True for the name of an output, which is no path. */
export function isOutputName(path: string): boolean {
  return path.startsWith(PREFIX);
}
