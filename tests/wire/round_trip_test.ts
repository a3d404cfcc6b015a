/**
 * A message that a client sends is given back as it was: in its own form the way there and back is the
 * identity, unknown parts and unknown keys of parts with it. What Parley makes anew is left out:
 * `createdAt` is its own time. What AI SDK 4 derives of the parts (`content`, `reasoning`,
 * `toolInvocations`, `step`) is derived again, and so compared. An empty text of a user is nothing, so
 * none is sent here; `contentType` and `details` are filled in where there are none.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Message } from "../../src/domain/message.ts";
import { decodeMessage } from "../../src/wire/sent_message.ts";
import { toUi } from "../../src/wire/ui_message.ts";
import { toV4 } from "../../src/wire/v4_message.ts";
import { invalidUi, UI_CLIENTS, type UiClient } from "./clients.ts";
import { casesOf } from "../kit/random.ts";
import { type ClientMessage, uiAnswer, uiUser, v4Answer, v4User } from "./arbitraries/messages.ts";

const RUNS = { numRuns: casesOf(2_000) };
const anyMessage = fc.oneof(v4User, v4Answer, uiUser, uiAnswer);

/** The message as it is stored. */
function neutral(sent: ClientMessage): Message {
  const { id, role, parts, metadata } = decodeMessage(sent, {
    chars: 100_000,
    files: 20,
    refusedUrls: "local",
  });
  return {
    id: id!,
    role,
    parts,
    metadata,
    status: "completed",
    model: null,
    finishReason: null,
    usage: null,
    createdAt: 0,
  };
}

function asJson(value: unknown) {
  const { createdAt: _, ...rest } = JSON.parse(JSON.stringify(value));
  return rest;
}

for (const [name, sent] of [["user's message", v4User], ["answer", v4Answer]] as const) {
  Deno.test(`AI SDK 4: the ${name} comes back as it was`, () => {
    fc.assert(
      fc.property(sent, (message) => {
        assertEquals(asJson(toV4(neutral(message))), asJson(message));
      }),
      RUNS,
    );
  });
}

for (const [name, sent] of [["user's message", uiUser], ["answer", uiAnswer]] as const) {
  Deno.test(`AI SDK 5+: the ${name} comes back as it was`, () => {
    fc.assert(
      fc.property(sent, (message) => {
        assertEquals(asJson(toUi(neutral(message))), asJson(message));
      }),
      RUNS,
    );
  });
}

Deno.test("through the database's JSON a message stays what it was", () => {
  fc.assert(
    fc.property(anyMessage, (sent) => {
      const message = neutral(sent);
      assertEquals(JSON.parse(JSON.stringify(message)), asWritten(message));
    }),
    RUNS,
  );
});

for (const client of Object.keys(UI_CLIENTS) as UiClient[]) {
  Deno.test(`${client} takes as its own what AI SDK 4 sent`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(v4User, v4Answer), async (sent) => {
        const message = neutral(sent);
        // A part of unknown type is the client's own to know.
        const parts = message.parts.filter((part) => !part.type.startsWith("unknown-"));
        if (parts.length === 0) return;
        assertEquals(await invalidUi(client, asJson(toUi({ ...message, parts }))), undefined);
      }),
      { numRuns: casesOf(300) },
    );
  });
}

Deno.test("what one generation sent, the other's form keeps the text and the calls of", () => {
  fc.assert(
    fc.property(anyMessage, (sent) => {
      const message = neutral(sent);
      const again = neutral({ ...toV4(message) } as unknown as ClientMessage);
      assertEquals(callsOf(again), callsOf(message));
      assertEquals(toV4(again).content, toV4(message).content);
    }),
    RUNS,
  );
});

/** A key with the value undefined would be gone after a restart. */
function asWritten(message: Message): Message {
  return structuredClone(message);
}

function callsOf({ parts }: Message): string[] {
  return parts.flatMap((part) => "toolCallId" in part ? [part.toolCallId] : []);
}
