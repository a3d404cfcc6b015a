/** Approvals against a model of them: any sequence of what people, clients and machines do. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { systemClock } from "../../src/domain/clock.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { countOf } from "../kit/random.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import {
  answer,
  answered,
  approvalsOf,
  asking,
  follow,
  uiHistory,
  type UiMessage,
} from "./approvals_kit.ts";

const SEQUENCES = countOf("PARLEY_APPROVALS", 40);

const ACTIONS = [
  "send",
  "edit",
  "approve",
  "deny",
  "approve twice at once",
  "answer again",
  "send back a yes",
  "send back a no",
  "send back changed arguments",
  "send back another approval",
  "let it expire",
  "restart",
  "stop while it runs",
  "approve in a fork",
  "fork while it runs",
  "delete",
] as const;
type Action = typeof ACTIONS[number];

/** What the model knows: which call waits, which were answered, and how often each ran. */
interface Known {
  waiting: string | undefined;
  answered: string[];
  expired: string[];
  /** Those whose chat has gone on without them. */
  left: string[];
  /** By number of each call that may have run. */
  mayRun: Set<number>;
  ran: Map<number, number>;
}

Deno.test("approvals do what their model does", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...ACTIONS), { minLength: 2, maxLength: 12 }),
      async (actions) => {
        await using scene = await Scene.start();
        for (const action of actions) await scene.take(action);
        await scene.goesOn();
      },
    ),
    { numRuns: SEQUENCES },
  );
});

class Scene implements AsyncDisposable {
  readonly #known: Known = {
    waiting: undefined,
    answered: [],
    expired: [],
    left: [],
    mayRun: new Set(),
    ran: new Map(),
  };
  #scripted!: Scripted;
  #chat = "";
  #turn = 0;
  #skipped = 0;
  /** Set while the tool is to wait for its end. */
  #held: PromiseWithResolvers<void> | undefined;

  private constructor(
    private readonly dataDir: string,
    private readonly provider: Awaited<ReturnType<typeof startProvider>>,
  ) {}

  static async start(): Promise<Scene> {
    const provider = await startProvider();
    const scene = new Scene(await Deno.makeTempDir(), provider);
    await scene.#open();
    scene.#chat = await scene.#scripted.chat();
    return scene;
  }

  async #open(): Promise<void> {
    this.provider.script((request) =>
      asking({ name: "test__act", args: { n: this.#turn } })(request)
    );
    this.#scripted = await startScripted({
      provider: this.provider,
      dataDir: this.dataDir,
      clock: { ...systemClock, now: () => systemClock.now() + this.#skipped },
      toolbox: testToolbox(
        { act: { run: ({ input }, signal) => this.#act(input["n"], signal) } },
        [],
      ),
      env: { PARLEY_TOOL_APPROVAL_HOURS: "1" },
    });
  }

  async #act(n: unknown, signal: AbortSignal) {
    const { ran } = this.#known;
    ran.set(Number(n), (ran.get(Number(n)) ?? 0) + 1);
    if (this.#held) {
      this.#held.resolve();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    }
    return { output: "acted" };
  }

  async take(action: Action): Promise<void> {
    const known = this.#known;
    const { waiting } = known;
    switch (action) {
      case "send":
      case "edit":
        await this.#send(action === "edit");
        break;
      case "approve":
      case "deny":
        if (waiting) await this.#answer(waiting, action === "approve");
        break;
      case "approve twice at once":
        if (waiting) await this.#answerTwice(waiting);
        break;
      case "answer again":
        for (const id of known.answered) assertEquals(await this.#status(id), 409);
        for (const id of known.left) assertEquals(await this.#status(id), 409);
        for (const id of known.expired) assertEquals(await this.#status(id), 410);
        break;
      case "send back a yes":
      case "send back a no":
        if (waiting) await this.#sendBack(action === "send back a yes");
        break;
      case "send back changed arguments":
        if (waiting) await this.#sendBack(true, (part) => ({ ...part, input: { n: -1 } }));
        break;
      case "send back another approval":
        if (waiting) await this.#sendBackWrong();
        break;
      case "let it expire":
        this.#skipped += 3_600_001;
        known.expired.push(...known.left.splice(0), ...waiting ? [waiting] : []);
        known.waiting = undefined;
        break;
      case "restart":
        await this.#scripted.server.stop();
        await this.#open();
        break;
      case "stop while it runs":
        if (waiting) await this.#stopWhileRunning(waiting);
        break;
      case "approve in a fork":
        if (waiting) assertEquals(await this.#sendToFork(true), 409);
        break;
      case "fork while it runs":
        if (waiting) await this.#forkWhileRunning(waiting);
        break;
      case "delete":
        await this.#scripted.server.ask("DELETE", `/api/v2/chats/${this.#chat}`);
        if (waiting) assertEquals(await this.#status(waiting), 404);
        Object.assign(known, { waiting: undefined, answered: [], expired: [], left: [] });
        this.#chat = await this.#scripted.chat();
        break;
    }
    await this.#compare();
  }

  /** A chat is never bricked. */
  async goesOn(): Promise<void> {
    await this.#send(false);
    assert(this.#known.waiting);
    await this.#answer(this.#known.waiting, true);
    await this.#compare();
  }

  async #send(isEdit: boolean): Promise<void> {
    const before = (await uiHistory(this.#scripted, this.#chat)).findLast(({ id }) =>
      id.startsWith("u")
    );
    const id = isEdit && before ? before.id : `u${this.#turn}`;
    this.#turn++;
    const message = { id, role: "user", content: `Turn ${this.#turn}` };
    await (await this.#scripted.send(this.#chat, "", { message })).text();
    if (this.#known.waiting) this.#known.left.push(this.#known.waiting);
    const [approval] = await approvalsOf(this.#scripted);
    this.#known.waiting = approval!.id;
  }

  async #answer(id: string, approved: boolean): Promise<void> {
    const { status, body } = await answer(this.#scripted, id, { approved });
    assertEquals(status, 200);
    this.#answeredWith(id, approved);
    await follow(this.#scripted, body.run);
  }

  async #answerTwice(id: string): Promise<void> {
    const both = await Promise.all(
      [true, true].map((approved) => answer(this.#scripted, id, { approved })),
    );
    assertEquals(both.map(({ status }) => status).sort(), [200, 409]);
    this.#answeredWith(id, true);
    await follow(this.#scripted, both.find(({ status }) => status === 200)!.body.run);
  }

  async #sendBack(
    approved: boolean,
    change: (part: UiMessage["parts"][number]) => UiMessage["parts"][number] = (part) => part,
  ): Promise<void> {
    const message = answered((await uiHistory(this.#scripted, this.#chat)).at(-1)!, approved);
    const back = { ...message, parts: message.parts.map(change) };
    const response = await this.#scripted.send(this.#chat, "", { message: back });
    assertEquals(response.status, 200);
    this.#answeredWith(this.#known.waiting!, approved);
    await response.text();
  }

  async #sendBackWrong(): Promise<void> {
    const message = answered((await uiHistory(this.#scripted, this.#chat)).at(-1)!, true);
    const parts = message.parts.map((part) =>
      part["approval"] ? { ...part, approval: { id: crypto.randomUUID(), approved: true } } : part
    );
    const response = await this.#scripted.send(this.#chat, "", { message: { ...message, parts } });
    assertEquals(response.status, 400);
    await response.body?.cancel();
  }

  async #stopWhileRunning(id: string): Promise<void> {
    this.#held = Promise.withResolvers();
    const { status, body } = await answer(this.#scripted, id, { approved: true });
    assertEquals(status, 200);
    this.#answeredWith(id, true);
    await this.#held.promise;
    await this.#scripted.server.ask("POST", `/api/v2/chats/${this.#chat}/stop`);
    await follow(this.#scripted, body.run);
    this.#held = undefined;
  }

  /** Sends the last message to a copy of the chat, and gives what it says. */
  async #sendToFork(approved: boolean): Promise<number> {
    const { server } = this.#scripted;
    const made = await server.ask("POST", `/api/v2/chats/${this.#chat}/fork`, { body: {} });
    const { id } = await made.json();
    const message = answered((await uiHistory(this.#scripted, id)).at(-1)!, approved);
    const response = await this.#scripted.send(id, "", { message });
    await response.text();
    return response.status;
  }

  async #forkWhileRunning(id: string): Promise<void> {
    this.#held = Promise.withResolvers();
    const { status, body } = await answer(this.#scripted, id, { approved: true });
    assertEquals(status, 200);
    this.#answeredWith(id, true);
    await this.#held.promise;
    assertEquals(await this.#sendToFork(true), 200);
    await this.#scripted.server.ask("POST", `/api/v2/chats/${this.#chat}/stop`);
    await follow(this.#scripted, body.run);
    this.#held = undefined;
  }

  #answeredWith(id: string, approved: boolean): void {
    this.#known.answered.push(id);
    this.#known.waiting = undefined;
    if (approved) this.#known.mayRun.add(this.#turn);
  }

  async #status(id: string): Promise<number> {
    return (await answer(this.#scripted, id, { approved: true })).status;
  }

  async #compare(): Promise<void> {
    const { waiting, mayRun, ran } = this.#known;
    const listed = (await approvalsOf(this.#scripted)).map(({ id }) => id);
    assertEquals(listed, waiting ? [waiting] : []);
    assertEquals([...ran.keys()].sort(), [...mayRun].sort());
    for (const [n, times] of ran) assertEquals(times, 1, `call ${n}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scripted[Symbol.asyncDispose]();
    await this.provider.close();
    await Deno.remove(this.dataDir, { recursive: true });
  }
}
