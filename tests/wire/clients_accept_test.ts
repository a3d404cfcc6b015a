/**
 * The clients' own code takes every run in either protocol, and what it makes of the stream is what
 * the history gives: live equals history.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { assemble } from "../../src/domain/assembly.ts";
import type { RunEvent } from "../../src/domain/event.ts";
import type { Json } from "../../src/domain/json.ts";
import type { Message, Part } from "../../src/domain/message.ts";
import type { StoredMessage } from "../../src/domain/records.ts";
import { eventsOf } from "../../src/runs/replay.ts";
import { dataStream } from "../../src/wire/data_stream.ts";
import { toUi } from "../../src/wire/ui_message.ts";
import { uiMessageStream } from "../../src/wire/ui_message_stream.ts";
import { toV4 } from "../../src/wire/v4_message.ts";
import {
  type Assembled,
  assembleUi,
  assembleV4,
  encodeRun,
  refusedChunks,
  refusedLines,
  UI_CLIENTS,
  type UiClient,
} from "./clients.ts";
import { casesOf } from "../kit/random.ts";
import { asShownByUi, asShownByV4, type Shown } from "./shown.ts";
import { type ArbitraryRun, cutRun, MESSAGE_ID, openRun, wholeRun } from "./arbitraries/events.ts";

const RUNS = { numRuns: casesOf(200) };
const anyRun = fc.oneof(wholeRun, cutRun);
const CLIENTS = Object.keys(UI_CLIENTS) as UiClient[];

/** The message that a run leaves; with `before`, the one that it extended. */
function messageOf({ events }: ArbitraryRun, before?: Part[]): Message {
  const last = events.at(-1)!;
  assert(last.type === "finish" || last.type === "error");
  return {
    id: MESSAGE_ID,
    role: "assistant",
    parts: assemble(events, { ended: true, before }),
    metadata: {},
    status: last.type === "error" ? "failed" : last.state,
    ...(last.type === "error" && { failure: last.failure }),
    model: "m",
    finishReason: "stop",
    usage: last.usage,
    createdAt: 0,
  };
}

function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

for (const client of CLIENTS) {
  Deno.test(`every chunk of every run is one that ${client} takes`, async () => {
    await fc.assert(
      fc.asyncProperty(anyRun, async ({ events }) => {
        assertEquals(await refusedChunks(client, encodeRun(events, uiMessageStream)), []);
      }),
      RUNS,
    );
  });

  Deno.test(`${client} makes of the UI stream what the history gives`, async () => {
    await fc.assert(
      fc.asyncProperty(anyRun, async (run) => {
        const read = await assembleUi(client, encodeRun(run.events, uiMessageStream));
        checkEnd(read, run);
        assertEquals(asShownByUi(client, read.message), historyUi(client, messageOf(run)));
      }),
      RUNS,
    );
  });

  Deno.test(`${client} goes on with an answer as the history does`, async () => {
    await fc.assert(
      fc.asyncProperty(openRun, wholeRun, async (first, second) => {
        const before = answered(messageOf(first));
        const run = { ...second, events: second.events.map(later) };
        const read = await assembleUi(
          client,
          encodeRun(run.events, uiMessageStream),
          asJson(toUi(before)),
        );
        checkEnd(read, run);
        assertEquals(
          asShownByUi(client, read.message).parts,
          historyUi(client, messageOf(run, before.parts)).parts,
        );
      }),
      RUNS,
    );
  });

  Deno.test(`${client} takes a run that is made again from its message`, async () => {
    await fc.assert(
      fc.asyncProperty(wholeRun, async (run) => {
        const message = answered(messageOf(run));
        const events = eventsOf({ ...message, key: "k", parentKey: null } as StoredMessage);
        const read = await assembleUi(client, encodeRun(events, uiMessageStream));
        assertEquals(read.error, undefined);
        assertEquals(
          asShownByUi(client, read.message).parts,
          historyUi(client, message).parts,
        );
      }),
      RUNS,
    );
  });
}

Deno.test("every line of every run is one that AI SDK 4's parser takes", () => {
  fc.assert(
    fc.property(anyRun, ({ events }) => {
      assertEquals(refusedLines(encodeRun(events, dataStream)), []);
    }),
    RUNS,
  );
});

Deno.test("AI SDK 4 makes of the data stream what the history gives", async () => {
  await fc.assert(
    fc.asyncProperty(anyRun, async (run) => {
      const read = await assembleV4(encodeRun(run.events, dataStream));
      checkEnd(read, run);
      const failed = run.end === "failed";
      assertEquals(asShownByV4(read.message, { failed }), historyV4(messageOf(run), failed));
    }),
    RUNS,
  );
});

Deno.test("AI SDK 4 goes on with an answer as the history does", async () => {
  await fc.assert(
    fc.asyncProperty(openRun, wholeRun, async (first, second) => {
      const before = answered(messageOf(first));
      const run = { ...second, events: second.events.map(later) };
      const read = await assembleV4(encodeRun(run.events, dataStream), asJson(toV4(before)));
      checkEnd(read, run);
      const failed = run.end === "failed";
      assertEquals(
        asShownByV4(read.message, { failed }).parts,
        historyV4(messageOf(run, before.parts), failed).parts,
      );
    }),
    RUNS,
  );
});

Deno.test("an answer that has ended, however it did, has nothing open", () => {
  fc.assert(
    fc.property(anyRun, (run) => {
      const states = messageOf(run).parts.map((part) => "state" in part && part.state);
      assert(!states.some((state) => state === "streaming" || state === "input-streaming"));
    }),
    RUNS,
  );
});

/** An error on the stream is an error in the client, and nothing else is. */
function checkEnd({ error }: Assembled, { events }: ArbitraryRun): void {
  const last = events.at(-1);
  assertEquals(error?.message, last?.type === "error" ? last.failure.message : undefined);
}

/** The event of a second run on the same message, whose calls have other ids. */
function later(event: RunEvent): RunEvent {
  return "toolCallId" in event ? { ...event, toolCallId: `${event.toolCallId}-later` } : event;
}

/** The message with the results of the client's tools, as after a continuation. */
function answered(message: Message): Message {
  const parts = message.parts.map((part): Part =>
    "toolCallId" in part && part.state === "input-available"
      ? { ...part, state: "output-available", output: "here" }
      : part
  );
  return { ...message, parts };
}

function historyUi(client: UiClient, message: Message): Shown {
  return asShownByUi(client, asJson(toUi(message)) as unknown as Record<string, Json>);
}

function historyV4(message: Message, failed: boolean): Shown {
  return asShownByV4(asJson(toV4(message)) as unknown as Record<string, Json>, { failed });
}
