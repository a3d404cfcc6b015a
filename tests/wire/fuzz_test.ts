/**
 * Whatever a client sends is refused in words or taken: then it can be shown in every form, asked of
 * every provider, and sent again as it is shown. Most are nearly right.
 *
 * `deno task proofs` tries 100,000 messages; by itself, PARLEY_FUZZ_MESSAGES of them. A failure names its
 * seed, which `fc.configureGlobal({ seed })` plays again.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AppError } from "../../src/domain/errors.ts";
import { fileIdOf } from "../../src/domain/file.ts";
import { isToolPart, isUnknownPart, type Message, type Part } from "../../src/domain/message.ts";
import { parseWith } from "../../src/wire/validate.ts";
import { createMessageSchema } from "../../src/http/schemas/create_message.ts";
import { buildPrompt } from "../kit/prompt.ts";
import { type DecodedMessage, decodeMessage } from "../../src/wire/sent_message.ts";
import { toUi } from "../../src/wire/ui_message.ts";
import { toV4 } from "../../src/wire/v4_message.ts";
import { invalidUi } from "./clients.ts";
import { uiAnswer, uiUser, v4Answer, v4User } from "./arbitraries/messages.ts";
import { anyJson, mutate, mutations } from "./arbitraries/mutations.ts";

const MESSAGES = Number(Deno.env.get("PARLEY_FUZZ_MESSAGES") ?? 4_000);
const LIMITS = { chars: 50, files: 20, refusedUrls: "local" as const };
const PROVIDERS = ["anthropic", "openai"] as const;

/** Making a message costs more than changing one. */
const SAMPLE = fc.sample(fc.oneof(v4User, v4Answer, uiUser, uiAnswer), 2_000);
const sent = fc.constantFrom(...SAMPLE);
const nearlyRight = fc.tuple(sent, mutations).map(([message, changes]) => mutate(message, changes));
const bodies = fc.tuple(
  sent,
  fc.record({
    model: fc.constant("demo"),
    tools: fc.constant([{ name: "where", inputSchema: { type: "object" } }]),
    response_format: fc.constant({ type: "json_schema", json_schema: { schema: {} } }),
    busy: fc.constant("queue"),
  }, { requiredKeys: [] }),
  mutations,
).map(([message, rest, changes]) => mutate({ message, ...rest }, changes));

Deno.test("messages that are nearly right are taken or refused in words", () => {
  const seen = { taken: 0, refused: 0 };
  check(nearlyRight, MESSAGES / 2, (value) => seen[attempt(value)]++);
  // Were nearly all refused, or taken, it would say little.
  assert(Math.min(seen.taken, seen.refused) > MESSAGES / 10, JSON.stringify(seen));
});

Deno.test("messages that are anything are taken or refused in words", () => {
  check(
    fc.oneof(anyJson, fc.record({ role: fc.constant("user"), parts: anyJson })),
    MESSAGES * 0.4,
    attempt,
  );
});

Deno.test("bodies that are nearly right are taken or refused in words", () => {
  check(bodies, MESSAGES / 10, (value) => {
    const body = refusable(() => parseWith(createMessageSchema, value, "Failed to decode"));
    if (body?.message) attempt(body.message);
  });
});

Deno.test("what is taken is a message by the newest client's own schema", async () => {
  await fc.assert(
    fc.asyncProperty(nearlyRight, async (value) => {
      const decoded = refusable(() => decodeMessage(value, LIMITS));
      // What Parley does not know is kept as it came, good or not.
      const parts = decoded?.parts.filter((part) => !isUnknownPart(part)).map(known) ?? [];
      if (!decoded || parts.length === 0) return;
      const shown = toUi(asStored({ ...decoded, parts }));
      assertEquals(await invalidUi("ai@7.0.173", JSON.parse(JSON.stringify(shown))), undefined);
    }),
    { numRuns: MESSAGES / 10 },
  );
});

/** The part as far as Parley knows it. Of a call that comes back, the result is enough. */
function known(part: Part & { citations?: unknown }): Part {
  const { citations: _, ...rest } = part;
  if (!isToolPart(part)) return rest as Part;
  const output = part.state === "output-available" && { output: null };
  return { input: null, ...output, ...rest } as Part;
}

function check<T>(values: fc.Arbitrary<T>, numRuns: number, take: (value: T) => unknown): void {
  fc.assert(fc.property(values, (value) => void take(value)), { numRuns });
}

/** Takes a message as a request does, and does with it all that is ever done with one. */
function attempt(value: unknown): "taken" | "refused" {
  const decoded = refusable(() => decodeMessage(value, LIMITS));
  if (!decoded) return "refused";
  const message = asStored(decoded);
  for (const shown of [toV4(message), toUi(message)]) {
    checkParts(shown.parts);
    const again = refusable(() => decodeMessage(JSON.parse(JSON.stringify(shown)), LIMITS));
    assert(again, "what is shown cannot be sent back");
  }
  const asked = { ...message, parts: message.parts.filter((part) => !isOwnFile(part)) };
  for (const type of PROVIDERS) {
    buildPrompt([asked, asked], { type, model: "x", system: undefined });
  }
  return "taken";
}

function asStored(decoded: DecodedMessage): Message {
  return {
    ...decoded,
    id: decoded.id ?? "generated",
    status: "completed",
    model: null,
    finishReason: null,
    usage: null,
    createdAt: 0,
  };
}

/** A file of this server is put in its place before a provider is asked. */
function isOwnFile(part: Part): boolean {
  return part.type === "file" && fileIdOf(part.url) !== undefined;
}

/** What is shown has a type, and a call all that a client wants of one. */
function checkParts(parts: readonly unknown[]): void {
  for (const part of parts as { type?: unknown; toolInvocation?: { toolName?: unknown } }[]) {
    assert(typeof part?.type === "string");
    // AI SDK 5 and later have the name in the type.
    if (part.type === "tool-invocation" && !("toolCallId" in part)) {
      assert(typeof part.toolInvocation?.toolName === "string");
    }
  }
}

/** The result; undefined where it was refused as a client's mistake, with the fields named. */
function refusable<T>(take: () => T): T | undefined {
  try {
    return take();
  } catch (error) {
    assert(error instanceof AppError, String(error));
    assert(["bad_request", "too_large"].includes(error.code), error.code);
    assert(error.validations!.length > 0 && error.detail !== undefined);
    for (const { field, detail } of error.validations!) {
      assert(typeof field === "string" && typeof detail === "string");
    }
    return undefined;
  }
}
