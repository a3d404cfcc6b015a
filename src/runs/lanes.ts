/**
 * One lane per chat: whatever changes a chat waits for the change before it, in the order of arrival.
 * Inside a process this orders sends, stops, deletions and the queue; between processes the conditions
 * in SQL do.
 */
export class Lanes {
  readonly #last = new Map<string, Promise<void>>();

  /** Does `task` once everything that was given to the chat's lane before it has settled. */
  take<T>(chatId: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(chatId);
    const result = before ? before.then(task) : task();
    const last: Promise<void> = result.then(() => {}, () => {}).then(() => {
      if (this.#last.get(chatId) === last) this.#last.delete(chatId);
    });
    this.#last.set(chatId, last);
    return result;
  }

  /** Resolves once every lane is empty. */
  async settled(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
  }
}
