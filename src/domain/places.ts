import { AppError } from "./errors.ts";

/** How many there may be at once. */
export interface PlaceLimits {
  perUser: number;
  total: number;
}

/** Places for what each user, and all users together, may have at once of something. */
export class Places {
  readonly #taken = new Map<string, number>();
  #total = 0;

  /** `what` names them in errors, such as "open streams". */
  constructor(readonly limits: PlaceLimits, private readonly what: string) {}

  /** True if there is one for that user. */
  has(userId: string): boolean {
    return this.of(userId) < this.limits.perUser && this.#total < this.limits.total;
  }

  /** How many that user has taken. */
  of(userId: string): number {
    return this.#taken.get(userId) ?? 0;
  }

  /**
   * Takes a place. The result gives it back; only its first call does.
   * @throws {AppError} `too_many_requests` if there is none.
   */
  enter(userId: string): () => void {
    if (this.has(userId)) return this.take(userId);
    const own = this.of(userId);
    const isOwn = own >= this.limits.perUser;
    throw new AppError("too_many_requests", `Too many ${this.what}`, {
      detail: isOwn
        ? `You have ${own} ${this.what}, and may have ${this.limits.perUser}.`
        : `The server has ${this.#total} ${this.what}, and takes no more.`,
      retryAfter: 5,
    });
  }

  /** The same whether there is one or not: for what replaces something else. */
  take(userId: string): () => void {
    this.#taken.set(userId, this.of(userId) + 1);
    this.#total++;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#total--;
      const left = this.of(userId) - 1;
      if (left > 0) this.#taken.set(userId, left);
      else this.#taken.delete(userId);
    };
  }
}
