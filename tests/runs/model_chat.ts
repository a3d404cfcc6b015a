/** What a chat is, as plainly as it can be said: the model that the real one is held against. */

/** A message, as the history lists it. */
export interface Said {
  id: string;
  role: "user" | "assistant";
  text: string;
}

/** What the provider does with one request, step by step, whenever a command lets it. */
export interface Plan {
  deltas: number;
  ending: "finish" | "error" | "cut" | "end";
}

/** A message on its way, by the name of the model that it asks: no two have the same. */
export interface Send {
  model: string;
  id: string;
  text: string;
  plan: Plan;
}

/** What a message meets in a chat that is answering. */
export type Busy = "reject" | "queue" | "interrupt";

/** A run that the chat is making, or has made. */
export interface Run {
  send: Send;
  /** The id of its answer: the chat gives it, and tells it first. */
  answerId: string;
  /** The branch when it began: what the provider is to be asked. */
  asked: Said[];
  /** The deltas so far. */
  said: string[];
}

/** How a run ended. */
export type EndState = "completed" | "failed" | "stopped";

/** What is to become of a message that is sent. */
export type Fate = "begins" | "joins" | "waits" | "busy" | "bad";

/** A chat: a branch of messages, at most one live run, and messages that wait. */
export class ChatModel {
  branch: Said[] = [];
  live: Run | undefined;
  queue: Send[] = [];
  /** True while those that wait are held after a stop. */
  held = false;
  /** Runs that ended since somebody last looked. */
  ended: { run: Run; state: EndState }[] = [];

  constructor(readonly id: string, public title: string) {}

  /** Takes a message and says what becomes of it. */
  send(send: Send, busy: Busy): Fate {
    const same = this.sameAs(send);
    if (same) {
      if (same !== this.live?.send) this.release();
      return "joins";
    }
    // A chat that is busy looks no further.
    if (this.live && busy === "reject") return "busy";
    if (this.branch.some(({ id, role }) => id === send.id && role === "assistant")) return "bad";
    if (busy === "queue" && (this.live || this.queue.length > 0)) {
      this.queue.push(send);
      this.release();
      return "waits";
    }
    // Those that wait have their turn behind it.
    if (this.live) this.#endLive("stopped");
    this.held = false;
    this.#begin(send);
    return "begins";
  }

  /** Stops what is live; what waits is held, or goes on. */
  stop(hold: boolean): void {
    if (hold && this.queue.length > 0) this.held = true;
    if (this.live) this.end("stopped");
  }

  /** Lets what waits go on. */
  release(): void {
    this.held = false;
    if (!this.live) this.#next();
  }

  /** What says the same already, and is being answered or waits. */
  sameAs({ id, text }: Send): Send | undefined {
    const sent = this.live ? [this.live.send, ...this.queue] : this.queue;
    return sent.find((other) => other.id === id && other.text === text);
  }

  /** The provider says its next delta. */
  say(): string {
    const { send, said } = this.live!;
    const delta = `<${send.model}.${said.length}>`;
    said.push(delta);
    return delta;
  }

  /** The live run ends, and the next message has its turn. */
  end(state: EndState): void {
    this.#endLive(state);
    this.#next();
  }

  #next(): void {
    const next = this.held ? undefined : this.queue.shift();
    if (next) this.#begin(next);
  }

  #endLive(state: EndState): void {
    const run = this.live!;
    this.ended.push({ run, state });
    this.live = undefined;
    const text = run.said.join("");
    if (text !== "" || state === "completed") {
      this.branch.push({ id: run.answerId, role: "assistant", text });
    }
  }

  #begin(send: Send): void {
    const known = this.branch.findIndex(({ id }) => id === send.id);
    if (known >= 0) this.branch.length = known;
    this.branch.push({ id: send.id, role: "user", text: send.text });
    this.live = { send, answerId: "", asked: [...this.branch], said: [] };
  }
}

/** A message of a prompt. */
export interface Asked {
  role: "user" | "assistant";
  texts: string[];
}

/** A branch as a provider is asked: nobody says nothing, and neighbours of one role are one. */
export function promptOf(branch: readonly Said[]): Asked[] {
  const prompt: Asked[] = [];
  for (const { role, text } of branch) {
    const last = prompt.at(-1);
    if (text === "") continue;
    if (last?.role === role) last.texts.push(text);
    else prompt.push({ role, texts: [text] });
  }
  return prompt;
}
