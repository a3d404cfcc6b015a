/** A model that calls tools, people who say yes or no, and what they see. */
import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../src/domain/json.ts";
import type { RecordedRequest, Script } from "../kit/provider/provider.ts";
import type { Ask } from "../kit/ask.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { type TestTool, testToolbox } from "../kit/toolbox.ts";
import { readFrames } from "../kit/ui.ts";

/** An approval as the API gives it. */
export type Approval = JsonObject & { id: string; chat_id: string; tool: string };

/** A message as AI SDK 5 and later have it. */
export interface UiMessage {
  id: string;
  parts: (JsonObject & { type: string })[];
}

/** Whoever can ask a server. */
type Asker = { server: { ask: Ask } };

/** A model that calls these in its first step of a turn, and then says what it was told. */
export function asking(
  ...calls: { name: string; args?: unknown }[]
): (request: Pick<RecordedRequest, "body">) => Script {
  return ({ body }) => {
    const { messages } = body as { messages: { role: string; content: string }[] };
    const last = messages.findLastIndex(({ role }) => role === "user");
    const told = messages.slice(last + 1).filter(({ role }) => role === "tool");
    return {
      steps: messages.at(-1)?.role === "user"
        ? [
          ...calls.map(({ name, args = {} }, at) => ({
            toolCall: { id: `call_${messages.length}_${at}`, name, args },
          })),
          { finish: "tool-calls" as const },
        ]
        : [{ text: told.map(({ content }) => content).join(" | ") }, { finish: "stop" as const }],
    };
  };
}

/** A Parley whose tool `test__act` needs a yes, with the arguments that it ran with. */
export async function startAsking(
  { tools, ...options }: Parameters<typeof startScripted>[0] & {
    tools?: Record<string, TestTool>;
  } = {},
) {
  const ran: JsonObject[] = [];
  const act: TestTool = {
    run({ input }) {
      ran.push(input);
      return { output: `acted ${ran.length}` };
    },
  };
  const toolbox = testToolbox({ act, ...tools }, []);
  const script = asking({ name: "test__act", args: { on: "this" } });
  return { scripted: await startScripted({ script, toolbox, ...options }), ran, toolbox };
}

/** The approvals that wait. */
export async function approvalsOf({ server }: Asker, query = ""): Promise<Approval[]> {
  const response = await server.ask("GET", `/api/v2/approvals${query}`);
  assertEquals(response.status, 200);
  return (await response.json()).approvals;
}

/** Answers one by the route. */
export async function answer({ server }: Asker, id: string, body: JsonObject, token?: string) {
  const response = await server.ask("POST", `/api/v2/approvals/${id}`, {
    body,
    ...(token !== undefined && { token }),
  });
  return { status: response.status, body: await response.json() };
}

/** Follows the run that goes on, to its end. */
export async function follow({ server }: Asker, run: { chat_id: string; id: string }) {
  const path = `/api/v2/chats/${run.chat_id}/stream?protocol=ui&run=${run.id}`;
  return await readFrames(await server.ask("GET", path));
}

/** The history of a chat. */
export async function uiHistory({ server }: Asker, chat: string): Promise<UiMessage[]> {
  return await (await server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=ui`)).json();
}

/** The parts of a message in short. */
export function statesOf(parts: UiMessage["parts"]): string[] {
  return parts.map(({ type, state }) => state === undefined ? type : `${type} ${state}`);
}

/** The message with its open approvals answered, as a client of AI SDK 6 sends it back. */
export function answered(message: UiMessage, approved: boolean): UiMessage {
  const parts = message.parts.map((part) =>
    part["state"] === "approval-requested"
      ? {
        ...part,
        state: "approval-responded",
        approval: { ...part["approval"] as JsonObject, approved },
      }
      : part
  );
  return { ...message, parts };
}

/** A new chat whose answer waits for a yes, and the approval. */
export async function askedIn(
  scripted: Pick<Scripted, "server" | "chat" | "send">,
): Promise<{ chat: string; approval: Approval }> {
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const [approval] = await approvalsOf(scripted);
  return { chat, approval: approval! };
}
