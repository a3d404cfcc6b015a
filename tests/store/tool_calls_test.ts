/** The journal of calls and their approvals, on a file and on a remote database. */
import { assertEquals } from "@std/assert";
import { callHash, type JournaledCall } from "../../src/domain/approval.ts";
import type { RunBeginning } from "../../src/domain/records.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import { eventStore } from "../../src/store/events.ts";
import { messageStore } from "../../src/store/messages.ts";
import { runStore } from "../../src/store/runs.ts";
import { toolCallStore } from "../../src/store/tool_calls.ts";
import { DATABASES } from "../kit/database.ts";
import { beginningOf, chatOf, endingOf, runOf } from "../kit/stored_run.ts";

const LATER = 1_000;

function callOf(id: string, more: Partial<JournaledCall> = {}): JournaledCall {
  const input = { path: "a" };
  return {
    id,
    runId: "r",
    chatId: "c",
    ownerId: "o",
    messageId: "m",
    messageKey: "answer",
    toolCallId: `call-${id}`,
    tool: "test__act",
    input,
    hash: callHash("test__act", input),
    state: "running",
    isRepeatable: false,
    isInDoubt: false,
    question: null,
    answers: {},
    createdAt: 1,
    expiresAt: LATER,
    request: null,
    ...more,
  };
}

const answerMessage = {
  ...beginningOf().prompt,
  key: "answer",
  parentKey: "k",
  id: "m",
  role: "assistant" as const,
};

const yes = { approved: true, answeredAt: 5, answers: { "Sure?": { really: true } } };

for (const [kind, open] of Object.entries(DATABASES)) {
  /** The stores, with a run that is live. */
  const begun = async (db: Awaited<ReturnType<typeof open>>) => {
    const buckets = new Buckets(db, { shared: false });
    const stores = {
      runs: runStore(db, buckets),
      log: eventStore(db, "me", buckets),
      messages: messageStore(db),
      chats: chatStore(db),
      calls: toolCallStore(db, "me"),
      others: toolCallStore(db, "other"),
    };
    await stores.chats.create(chatOf(), { titled: false });
    assertEquals(await stores.runs.begin(beginningOf()), "begun");
    /** Ends the run with calls that wait. */
    const ask = (...asked: JournaledCall[]) =>
      stores.log.append([], [{
        ...endingOf(),
        message: answerMessage,
        calls: { begun: "done", asked },
      }]);
    /** Begins the run that goes on with answers. */
    const goOn = (approvals: RunBeginning["approvals"], name = "2") =>
      stores.runs.begin({
        ...beginningOf(),
        run: { ...runOf(), id: `r${name}`, promptKey: "answer" },
        prompt: answerMessage,
        store: "update",
        leafKey: "answer",
        attempt: { ...beginningOf().attempt, id: `a${name}`, runId: `r${name}` },
        ...(approvals && { approvals }),
      });
    const states = async (run: string) =>
      (await stores.calls.ofRun(run)).map(({ id, state }) => [id, state]);
    return { ...stores, ask, goOn, states };
  };

  const test = (name: string, fn: (stores: Awaited<ReturnType<typeof begun>>) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using db = await open();
      await fn(await begun(db));
    });

  test("a call begins once, of a run that is live here", async ({ calls, others, states }) => {
    assertEquals(await others.begin([callOf("stranger")]), new Set());
    assertEquals(await calls.begin([callOf("a"), callOf("b")]), new Set(["a", "b"]));
    // A try whose answer was lost.
    assertEquals(await calls.begin([callOf("a"), callOf("b")]), new Set(["a", "b"]));
    assertEquals(await states("r"), [["a", "running"], ["b", "running"]]);
    assertEquals((await calls.ofRun("r"))[0], callOf("a"));
    const gone = callOf("c", { runId: "r9" });
    assertEquals(await calls.begin([gone]), new Set());
  });

  test("an approved call runs once, as it was asked for", async ({ calls, ask, goOn, states }) => {
    await ask(callOf("a", { state: "asked" }), callOf("b", { state: "asked" }));
    const approvals = { answers: [{ id: "a", ...yes }, { id: "b", ...yes }], ids: ["a", "b"] };
    assertEquals(await goOn(approvals), "begun");
    assertEquals(await states("r2"), [["a", "approved"], ["b", "approved"]]);
    const approved = callOf("a", { runId: "r2", state: "approved" });
    const other = callOf("b", { runId: "r2", state: "approved", hash: callHash("x", {}) });
    assertEquals(await calls.begin([approved, other]), new Set(["a"]));
    assertEquals(await states("r2"), [["a", "running"], ["b", "approved"]]);
    assertEquals((await calls.find("o", "a"))?.answers, yes.answers);
    assertEquals(await calls.find("other", "a"), undefined);
  });

  test("the first answer counts, in time, for the last message", async (stores) => {
    const { ask, goOn, calls, states } = stores;
    await ask(callOf("a", { state: "asked" }), callOf("late", { state: "asked", expiresAt: 4 }));
    const late = { answers: [{ id: "late", ...yes }], ids: ["late"] };
    assertEquals(await goOn(late), "moved");
    assertEquals(await calls.answer({ id: "late", ...yes }, answerMessage), false);
    const message = { ...answerMessage, parts: [{ type: "text" as const, text: "answered" }] };
    assertEquals(await calls.answer({ id: "a", ...yes, approved: false }, message), true);
    assertEquals(await calls.answer({ id: "a", ...yes }, answerMessage), false);
    assertEquals((await stores.messages.read("c", ["answer"]))[0]!.parts, message.parts);
    assertEquals(await goOn({ answers: [{ id: "a", ...yes }], ids: ["a"] }), "moved");
    assertEquals(await states("r"), [["a", "denied"], ["late", "asked"]]);
  });

  test("what waits is listed by pages, for its owner, while its chat ends in it", async (stores) => {
    const { ask, calls } = stores;
    await ask(...["x", "b", "a"].map((id) => callOf(id, { state: "asked" })));
    const ids = async (page: Parameters<typeof calls.waiting>[2], now = 0) =>
      (await calls.waiting("o", now, page)).calls.map(({ id }) => id);
    assertEquals(await ids({ limit: 2 }), ["x", "b"]);
    const { calls: [, second], hasMore } = await calls.waiting("o", 0, { limit: 2 });
    assertEquals(hasMore, true);
    assertEquals(await ids({ limit: 9, after: second!.place }), ["a"]);
    assertEquals(await ids({ limit: 9, chatId: "elsewhere" }), []);
    assertEquals(await ids({ limit: 9 }, LATER), []);
    assertEquals(await calls.waiting("other", 0, { limit: 9 }), { calls: [], hasMore: false });
    const next = { ...beginningOf().prompt, key: "k3", parentKey: "answer", id: "u3" };
    assertEquals(
      await stores.runs.begin({
        ...beginningOf(),
        run: { ...runOf(), id: "r3", promptKey: "k3" },
        prompt: next,
        leafKey: "answer",
        attempt: { ...beginningOf().attempt, id: "a3", runId: "r3" },
      }),
      "begun",
    );
    assertEquals(await ids({ limit: 9 }), []);
  });

  test("an answer that is remembered is that of its tool, the last of several", async (stores) => {
    const { ask, calls } = stores;
    const asked = ["a", "b", "c"].map((id) => callOf(id, { state: "asked" }));
    await ask(...asked, callOf("d", { state: "asked", tool: "test__other" }));
    const answer = (id: string, approved: boolean, answeredAt: number, remember = true) =>
      calls.answer({ id, approved, answeredAt, remember, answers: {} }, answerMessage);
    await answer("a", true, 5);
    await answer("b", false, 6);
    await answer("d", true, 5);
    await answer("c", true, 7, false);
    assertEquals(
      await calls.remembered("c"),
      new Map([["test__act", false], ["test__other", true]]),
    );
    assertEquals(await calls.remembered("elsewhere"), new Map());
  });
}
