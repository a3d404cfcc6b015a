/** Plays a script on the wire. */
import type { Action } from "./actions.ts";
import type { Answer } from "./connection.ts";
import type { Usage } from "./script.ts";

/** How a request ended; "open" if it has not. "client-closed": the client left first. */
export type Outcome = "open" | "complete" | "cut" | "refused" | "client-closed";

/**
 * Plays actions as the answer to one request. Cuts the socket after `limit` bytes of the body, and
 * calls `report` with reported tokens once they are on the wire.
 */
export async function play(
  actions: readonly Action[],
  answer: Answer,
  limit: number,
  report: (usage: Partial<Usage>) => void,
): Promise<Outcome> {
  const pace = new Pace(answer);
  for (const action of actions) {
    if ("refuse" in action) return destroyed(answer, "refused");
    if ("cut" in action) return destroyed(answer, "cut");
    if ("send" in action) {
      const payload = action.send.subarray(0, limit - answer.bytesSent);
      if (!await answer.send(payload)) return left(answer);
      if (action.reports && payload.length === action.send.length) report(action.reports);
    } else if ("head" in action) {
      const { status, headers, length } = action.head;
      if (!await answer.head(status, headers, length)) return left(answer);
    } else if (!await pace.stand(action)) return left(answer);
    if (answer.bytesSent >= limit && answer.status !== undefined) return destroyed(answer, "cut");
  }
  return await answer.end() ? "complete" : left(answer);
}

/** Keeps time: consecutive delays do not drift, and a wait restarts the clock. */
class Pace {
  #due = performance.now();

  constructor(private readonly answer: Answer) {}

  async stand(
    action: { wait: PromiseLike<unknown> } | { delay: number } | { stall: true },
  ): Promise<boolean> {
    const { connection } = this.answer;
    if ("stall" in action) return await connection.until(new Promise(() => {}));
    if ("wait" in action) {
      const open = await connection.until(action.wait);
      this.#due = performance.now();
      return open;
    }
    this.#due += action.delay;
    const left = this.#due - performance.now();
    return left > 0 ? await connection.sleep(left) : true;
  }
}

function destroyed(answer: Answer, outcome: Outcome): Outcome {
  answer.connection.destroy();
  return outcome;
}

function left(answer: Answer): Outcome {
  return answer.connection.closedHere ? "cut" : "client-closed";
}
