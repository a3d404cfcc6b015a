/** What becomes of the calls that a crash left. */
import { assertEquals } from "@std/assert";
import { callHash, type JournaledCall } from "../../src/domain/approval.ts";
import type { ToolPart } from "../../src/domain/message.ts";
import { leftCalls } from "../../src/runs/left_calls.ts";
import { runOf } from "../kit/stored_run.ts";

const RENEWAL = {
  key: "key",
  now: 1_000,
  approvalMs: 10,
  newId: () => "new",
  serverCalls: new Set(["call"]),
};

function callIn(state: JournaledCall["state"], isRepeatable = false): JournaledCall {
  return {
    ...{ id: "old", runId: "r", chatId: "c", ownerId: "o", messageId: "m", messageKey: "key" },
    ...{ toolCallId: "call", tool: "test__act", input: {}, hash: callHash("test__act", {}) },
    ...{ state, isRepeatable, isInDoubt: false, createdAt: 0, expiresAt: 0, request: null },
    ...{ question: null, answers: {} },
  };
}

function partIn(state: ToolPart["state"], approved?: boolean): ToolPart {
  return {
    ...{ type: "dynamic-tool", toolName: "test__act", toolCallId: "call", state, input: {} },
    ...(approved !== undefined && { approval: { id: "old", approved, reason: "so" } }),
  };
}

Deno.test("a no keeps its reason", () => {
  const parts = [partIn("approval-responded", false)];
  const { events, asked } = leftCalls(runOf(), [callIn("denied")], parts, RENEWAL);
  assertEquals(events, [{ type: "tool-output-denied", toolCallId: "call", reason: "so" }]);
  assertEquals(asked, []);
});

for (const [state, isInDoubt] of [["running", true], ["approved", false]] as const) {
  Deno.test(`a call that was ${state} is asked for anew, under another id`, () => {
    const parts = [partIn("approval-responded", true)];
    const { events, asked } = leftCalls(runOf(), [callIn(state)], parts, RENEWAL);
    assertEquals(events, [
      { type: "tool-approval-request", toolCallId: "call", approvalId: "new" },
    ]);
    const [again] = asked;
    assertEquals(asked.length, 1);
    assertEquals([again!.id, again!.state, again!.isInDoubt], ["new", "asked", isInDoubt]);
    assertEquals(again!.expiresAt, 1_010);
  });
}

Deno.test("a call that may run twice fails, and one that has its result is left alone", () => {
  const running = [partIn("input-available")];
  const { events, asked } = leftCalls(runOf(), [callIn("running", true)], running, RENEWAL);
  assertEquals([events.map(({ type }) => type), asked], [["tool-output-error"], []]);
  const over = leftCalls(runOf(), [callIn("running")], [partIn("output-available")], RENEWAL);
  assertEquals(over, { events: [], asked: [] });
});

Deno.test("a call of this server that had not begun fails, and one of the client waits on", () => {
  const [events, clients] = [new Set(["call"]), new Set<string>()].map((serverCalls) =>
    leftCalls(runOf(), [], [partIn("input-available")], { ...RENEWAL, serverCalls }).events
  );
  assertEquals(events!.map(({ type }) => type), ["tool-output-error"]);
  assertEquals(clients, []);
});
