import type { ChatStore } from "../domain/ports.ts";

/** How many chats' instructions are kept in memory: 64 KiB each at most. */
const KEPT = 64;

/** The system prompts of chats: the configured one, and what the workspace said when the chat began. */
export class SystemPrompts {
  readonly #known = new Map<string, string>();

  /** `instructions` reads those of the workspace; undefined if there is none. */
  constructor(
    private readonly configured: string | undefined,
    private readonly instructions: (() => Promise<string | undefined>) | undefined,
    private readonly chats: Pick<ChatStore, "pin">,
  ) {}

  /** The system prompt of a chat, which stays the same: providers cache what prompts begin with. */
  async of(chatId: string): Promise<string | undefined> {
    if (!this.instructions) return this.configured;
    const pinned = this.#known.get(chatId) ??
      await this.chats.pin(chatId, async () => await this.instructions!() ?? "");
    this.#keep(chatId, pinned);
    const prompts = [this.configured, pinned].filter((text) => text !== undefined && text !== "");
    return prompts.length > 0 ? prompts.join("\n\n") : undefined;
  }

  #keep(chatId: string, pinned: string): void {
    this.#known.delete(chatId);
    this.#known.set(chatId, pinned);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEPT) this.#known.delete(oldest!);
  }
}
