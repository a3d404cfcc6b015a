/** Runs for tests of their storage. */
import type { Chat } from "../../src/domain/chat.ts";
import type { RunBeginning, RunEnding, RunRecord } from "../../src/domain/records.ts";

/** The chat of a run. */
export function chatOf(name = ""): Chat {
  return {
    id: `c${name}`,
    ownerId: "o",
    title: "t",
    leafKey: null,
    createdAt: 0,
    updatedAt: 0,
  };
}

/** A run; each name gives a different one, in its own chat. */
export function runOf(name = ""): RunRecord {
  return {
    id: `r${name}`,
    chatId: `c${name}`,
    ownerId: "o",
    promptKey: `k${name}`,
    textOnly: true,
    messageId: `m${name}`,
    model: "x",
    protocol: "data",
    createdAt: 0,
  };
}

/** Its beginning, with the first message of its chat. */
export function beginningOf(name = "", lease = { owner: "me", until: 0 }): RunBeginning {
  const run = runOf(name);
  return {
    run,
    prompt: {
      key: run.promptKey,
      parentKey: null,
      id: `u${name}`,
      role: "user",
      parts: [],
      metadata: {},
      status: "completed",
      model: null,
      finishReason: null,
      usage: null,
      createdAt: 0,
    },
    store: "insert",
    leafKey: null,
    attempt: {
      id: `a${name}`,
      runId: run.id,
      chatId: run.chatId,
      ownerId: run.ownerId,
      kind: "answer",
      provider: "p",
      model: run.model,
      startedAt: 0,
      promptTokens: 0,
    },
    lease,
    keyed: undefined,
    queued: false,
    fileIds: [],
  };
}

/** Its ending without any content. */
export function endingOf(name = "", endedAt = 1): RunEnding {
  return {
    run: runOf(name),
    state: "completed",
    failure: null,
    endedAt,
    message: null,
    attempt: null,
  };
}
