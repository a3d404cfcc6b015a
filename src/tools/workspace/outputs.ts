/**
 * Long outputs of commands, until their chat is gone. Their files have no names: no tool and no other program
 * finds them, and nothing is left of them even after a crash.
 */
import type { OpenFile } from "./open_file.ts";

/** What such an output is called, for `read`. */
const PREFIX = "output:";

/** The most outputs that are kept: of a chat, and in all. The oldest make room. */
const MOST = { perChat: 16, total: 64 };

/** The outputs of all chats. */
export class Outputs {
  readonly #kept = new Map<string, { chatId: string; file: OpenFile }>();

  /** Keeps a file for a chat, under the name that it gives. */
  keep(chatId: string, file: OpenFile): string {
    const name = `${PREFIX}${crypto.randomUUID().slice(0, 13)}`;
    this.#kept.set(name, { chatId, file });
    const own = [...this.#kept].filter(([, kept]) => kept.chatId === chatId);
    const oldest = own.length > MOST.perChat
      ? own[0]
      : this.#kept.size > MOST.total
      ? [...this.#kept][0]
      : undefined;
    if (oldest) this.#drop(oldest[0]);
    return name;
  }

  /** The file of that name, for its own chat only. */
  find(chatId: string, name: string): OpenFile | undefined {
    const kept = this.#kept.get(name);
    return kept?.chatId === chatId ? kept.file : undefined;
  }

  /** Lets go of a chat's outputs. */
  leave(chatId: string): void {
    for (const [name, kept] of [...this.#kept]) if (kept.chatId === chatId) this.#drop(name);
  }

  /** Lets go of all outputs. */
  close(): void {
    for (const name of [...this.#kept.keys()]) this.#drop(name);
  }

  #drop(name: string): void {
    const kept = this.#kept.get(name);
    this.#kept.delete(name);
    kept?.file.close();
  }
}

/** True for the name of an output, which is no path. */
export function isOutputName(path: string): boolean {
  return path.startsWith(PREFIX);
}
