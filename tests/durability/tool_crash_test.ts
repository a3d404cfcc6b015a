/** P8 under `kill -9`: a tool's effect comes at most once, and no approval is lost. */
import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../../src/domain/json.ts";
import { askAt } from "../kit/ask.ts";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { lastUserText, startProvider } from "../kit/provider/provider.ts";
import { countOf, pass, type Random, seeded } from "../kit/random.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";
import { type Approval, approvalsOf, uiHistory, type UiMessage } from "../runs/approvals_kit.ts";

const ROUNDS = countOf("PARLEY_TOOL_ROUNDS", 200);

/** How many chats call a tool at each kill. */
const CHATS = 2;

const TOKEN = "alice-secret";

/** A chat whose message called a tool with an effect of its own. */
interface Acted {
  chat: string;
  effect: string;
  /** True once the server has confirmed a yes. */
  isApproved: boolean;
}

Deno.test("kill -9 around calls of tools: at most one effect, no lost approval", async () => {
  // Side by side: each waits for its servers most of the time.
  await Promise.all(
    (["allow", "ask"] as const).map((action) => seeded((random) => killAround(action, random))),
  );
});

/** Kills a server while tools run that policies allow, or ask a person for. */
async function killAround(action: "allow" | "ask", random: Random): Promise<void> {
  await using scene = await Scene.start(action);
  const seen = { effects: 0, asked: 0, done: 0 };
  for (let round = 0; round < ROUNDS / 2; round++) {
    const acted = await Promise.all(Array.from({ length: CHATS }, () => scene.begin()));
    const acting = acted.map((one) => scene.act(one, action, random));
    await pass(random.below(action === "ask" ? 350 : 150));
    await scene.kill();
    await Promise.all(acting);
    await scene.restart();
    for (const one of acted) await scene.check(one, seen, random);
  }
  // What a killed server had begun may come late.
  await pass(200);
  for (const [effect, times] of await scene.effects()) assertEquals(times, 1, effect);
  // Kills that always come before, or always after, would show nothing.
  assert(seen.asked > 0 && seen.done > 0, JSON.stringify(seen));
}

/** A server with a workspace, killed and started again, and a model that always calls a command. */
class Scene implements AsyncDisposable {
  #server!: ParleyProcess;

  private constructor(
    private readonly folder: string,
    private readonly provider: Awaited<ReturnType<typeof startProvider>>,
    private readonly action: "allow" | "ask",
  ) {}

  static async start(action: "allow" | "ask"): Promise<Scene> {
    const folder = await Deno.makeTempDir({ prefix: "parley-tools-" });
    await Deno.mkdir(`${folder}/work`);
    const provider = await startProvider({ record: false });
    provider.script(({ body }) => {
      const effect = /<([\w-]+)>/.exec(lastUserText(body))?.[1];
      const { messages } = body as { messages: { role: string }[] };
      if (!effect || messages.at(-1)?.role !== "user") {
        return { steps: [{ text: "Done." }, { finish: "stop" }] };
      }
      const command = `sleep 0.02; echo ${effect} >> effects; sleep 0.02; echo done`;
      return {
        steps: [
          { toolCall: { id: `call-${effect}`, name: "workspace__execute", args: { command } } },
          { finish: "tool-calls" },
        ],
      };
    });
    const scene = new Scene(folder, provider, action);
    await scene.restart();
    return scene;
  }

  get server() {
    return { ask: askAt(this.#server.url, TOKEN) };
  }

  async restart(): Promise<void> {
    this.#server = await spawnParley({
      dataDir: `${this.folder}/data`,
      env: {
        ...providerEnv(this.provider),
        PARLEY_TOKENS: `alice=${TOKEN}`,
        PARLEY_WORKSPACE: `${this.folder}/work`,
        PARLEY_TOOL_POLICIES: `workspace__execute=${this.action}`,
      },
    });
  }

  async kill(): Promise<void> {
    this.#server.signal("SIGKILL");
    await this.#server.exit;
  }

  async begin(): Promise<Acted> {
    const body = { title: "Acting" };
    const { id } = await (await this.server.ask("POST", "/api/v2/chats", { body })).json();
    return { chat: id, effect: crypto.randomUUID(), isApproved: false };
  }

  /** Sends a message, and says yes if asked: until the server is killed. */
  async act(one: Acted, action: "allow" | "ask", random: Random): Promise<void> {
    const { server } = this;
    try {
      const content = `Please <${one.effect}>`;
      const sent = await server.ask("POST", `/api/v2/chats/${one.chat}/messages`, {
        body: { message: { role: "user", content }, model: MODELS.compatible },
      });
      await sent.text();
      if (action === "allow") return;
      const [approval] = await approvalsOf({ server }, `?chat=${one.chat}`);
      await pass(random.below(20));
      const answered = await server.ask("POST", `/api/v2/approvals/${approval!.id}`, {
        body: { approved: true },
      });
      one.isApproved = answered.status === 200;
      await answered.text();
    } catch {
      // The server is gone.
    }
  }

  /** What history says of a call is what happened, and it goes on from there. */
  async check(
    { chat, effect, isApproved }: Acted,
    seen: { effects: number; asked: number; done: number },
    random: Random,
  ): Promise<void> {
    const asker = { server: this.server };
    // Whichever is asked for first, the run that was left has been ended.
    const [approval, ...others] = await approvalsOf(asker, `?chat=${chat}`);
    assertEquals(others, []);
    const message = (await uiHistory(asker, chat)).at(-1);
    const call = callIn(message);
    if (call?.["state"] === "approval-requested") {
      assertEquals(approval?.id, (call["approval"] as JsonObject)["id"], "it can be answered");
      seen.asked++;
      if (random.chance(0.5)) await this.#deny(approval!);
    } else {
      assertEquals(approval, undefined, "nothing waits that is not shown");
      if (call?.["state"] === "output-available") seen.done++;
      // A yes that was confirmed has had its effect, or is asked for anew.
      if (isApproved) assertEquals(call?.["state"], "output-available");
      if (call?.["state"] === "output-available") {
        assertEquals((await this.effects()).get(effect), 1, "what is shown has happened");
      }
    }
    const times = (await this.effects()).get(effect) ?? 0;
    assert(times <= 1, `${effect} happened ${times} times`);
    seen.effects += times;
  }

  async #deny({ id }: Approval): Promise<void> {
    const response = await this.server.ask("POST", `/api/v2/approvals/${id}`, {
      body: { approved: false },
    });
    assertEquals(response.status, 200, await response.text());
  }

  /** How often each effect happened. */
  async effects(): Promise<Map<string, number>> {
    const text = await Deno.readTextFile(`${this.folder}/work/effects`).catch(() => "");
    const times = new Map<string, number>();
    for (const line of text.split("\n").filter(Boolean)) {
      times.set(line, (times.get(line) ?? 0) + 1);
    }
    return times;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill().catch(() => {});
    await this.provider.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function callIn(message: UiMessage | undefined): JsonObject | undefined {
  return message?.parts.find(({ type }) => type === "dynamic-tool");
}
