/** Arbitrary runs: every kind of event, in any order that is valid. */
import fc from "fast-check";
import { Assembly } from "../../../src/domain/assembly.ts";
import type { FinishReason, RunEvent } from "../../../src/domain/event.ts";
import type { Usage } from "../../../src/domain/usage.ts";
import {
  base64,
  json,
  jsonObject,
  mediaType,
  name,
  providerNotes,
  text,
  webUrl,
} from "./values.ts";

/** The id of the message that every run makes. */
export const MESSAGE_ID = "cc2668f2-b082-4967-a874-361a783dad81";

/** A run, as a whole or up to where it was cut off. */
export interface ArbitraryRun {
  events: RunEvent[];
  end: "completed" | "stopped" | "failed" | "interrupted";
}

const usage: fc.Arbitrary<Usage> = fc.record({
  inputTokens: fc.nat(9_999),
  outputTokens: fc.nat(9_999),
  cachedTokens: fc.nat(99),
  reasoningTokens: fc.nat(99),
  estimated: fc.boolean(),
});

const finishReason = fc.constantFrom(
  ...(["stop", "length", "content-filter", "tool-calls", "other"] as const),
);

/** The events of one block, with `#` in place of a number of its own. */
type Block = RunEvent[];

const textBlock: fc.Arbitrary<Block> = fc.tuple(
  fc.array(text, { maxLength: 4 }),
  providerNotes,
).map(([texts, notes]) => [
  { type: "text-start", id: "text-#" },
  ...texts.map((text): RunEvent => ({ type: "text-delta", id: "text-#", text })),
  { type: "text-end", id: "text-#", ...notes },
]);

const reasoningNotes = fc.oneof(
  fc.tuple(providerNotes, providerNotes),
  fc.tuple(
    fc.constant({}),
    fc.record({ providerMetadata: fc.record({ anthropic: fc.record({ signature: name }) }) }),
  ),
);

const reasoningBlock: fc.Arbitrary<Block> = fc.tuple(
  fc.array(text, { maxLength: 3 }),
  reasoningNotes,
).map(([texts, [start, end]]) => [
  { type: "reasoning-start", id: "reasoning-#", ...start },
  ...texts.map((text): RunEvent => ({ type: "reasoning-delta", id: "reasoning-#", text })),
  { type: "reasoning-end", id: "reasoning-#", ...end },
]);

const redactedBlock: fc.Arbitrary<Block> = name.map((redactedData) => [
  {
    type: "reasoning-start",
    id: "reasoning-#",
    providerMetadata: { anthropic: { redactedData } },
  },
  { type: "reasoning-end", id: "reasoning-#" },
]);

const fileBlock: fc.Arbitrary<Block> = fc.tuple(
  mediaType,
  fc.oneof(base64, webUrl),
  providerNotes,
).map(([mediaType, data, notes]) => {
  const url = data.startsWith("http") ? data : `data:${mediaType};base64,${data}`;
  return [{ type: "file", mediaType, url, ...notes }];
});

const sourceBlock: fc.Arbitrary<Block> = fc.oneof(
  fc.tuple(webUrl, fc.option(text, { nil: undefined }), providerNotes).map((
    [url, title, notes],
  ): Block => [{
    type: "source-url",
    sourceId: "source-#",
    url,
    ...(title !== undefined && { title }),
    ...notes,
  }]),
  fc.tuple(mediaType, text, fc.option(name, { nil: undefined }), providerNotes).map((
    [mediaType, title, filename, notes],
  ): Block => [{
    type: "source-document",
    sourceId: "source-#",
    mediaType,
    title,
    ...(filename !== undefined && { filename }),
    ...notes,
  }]),
);

const opening = fc.record({
  tool: fc.constantFrom("look", "where", "invocation"),
  executed: fc.boolean(),
  streamed: fc.boolean(),
  argsText: fc.array(text, { maxLength: 3 }),
});

const inputEnd = fc.oneof(
  // Arguments that are a text are told from arguments that are no JSON by the result alone.
  fc.tuple(fc.oneof(jsonObject, json.filter((value) => typeof value !== "string")), providerNotes)
    .map(([input, notes]) => ({ type: "tool-input" as const, input, ...notes })),
  fc.record({ type: fc.constant("tool-input-error" as const), input: text, errorText: text }),
);

const outcome = fc.oneof(
  fc.constant(undefined),
  json.map((output) => ({ type: "tool-output" as const, output })),
  text.map((errorText) => ({ type: "tool-output-error" as const, errorText })),
);

/** What a tool shows before its result. */
const progress = fc.array(json, { maxLength: 2 });

const toolBlock: fc.Arbitrary<Block> = fc.tuple(opening, inputEnd, progress, outcome).map((
  [{ tool, executed, streamed, argsText }, end, progress, outcome],
) => {
  const toolCallId = "call-#";
  // The client runs what it declared.
  const declared = tool === "where" && { declared: true as const };
  const by = !declared && executed && { providerExecuted: true as const };
  const call = { toolCallId, toolName: tool, ...by, ...declared };
  const result = end.type === "tool-input" && !declared ? outcome : undefined;
  return [
    ...(streamed
      ? [
        { type: "tool-input-start" as const, ...call },
        ...argsText.map((text) => ({ type: "tool-input-delta" as const, toolCallId, text })),
      ]
      : []),
    { ...call, ...end },
    // Only the tools of this server show progress; what shows some has a result.
    ...(result && !by
      ? progress.map((output) => ({ type: "tool-progress" as const, toolCallId, output }))
      : []),
    ...(result ? [{ toolCallId, ...result, ...by }] : []),
  ];
});

const block = fc.oneof(
  { weight: 3, arbitrary: textBlock },
  { weight: 2, arbitrary: reasoningBlock },
  { weight: 1, arbitrary: redactedBlock },
  { weight: 3, arbitrary: toolBlock },
  { weight: 1, arbitrary: fileBlock },
  { weight: 1, arbitrary: sourceBlock },
);

/** What comes in a step: blocks that may run into each other. */
const stepContent = fc.tuple(
  fc.array(block, { maxLength: 5 }),
  fc.array(fc.nat(99), { maxLength: 20 }),
).map(([blocks, picks]) => interleave(blocks, picks));

const steps = fc.array(fc.tuple(stepContent, finishReason, usage), { minLength: 1, maxLength: 3 })
  .map((steps) => [
    { type: "start", messageId: MESSAGE_ID, model: "m" } as const,
    ...steps.flatMap(stepEvents),
  ]);

interface Ending {
  end: ArbitraryRun["end"];
  finishReason: FinishReason;
  usage: Usage;
  /** Of a failure. */
  message: string;
}

const ending: fc.Arbitrary<Ending> = fc.record({
  end: fc.constantFrom(...(["completed", "stopped", "failed", "interrupted"] as const)),
  finishReason,
  usage,
  message: text,
});

/** Any run that came to its end. */
export const wholeRun: fc.Arbitrary<ArbitraryRun> = fc.tuple(steps, ending)
  // The last step's finish belongs to the end.
  .map(([events, ending]) => ended(events.slice(0, -1), ending));

/** Any run that ended in a call of a tool that the client runs: its answer is continued. */
export const openRun: fc.Arbitrary<ArbitraryRun> = wholeRun.filter(({ end }) => end === "completed")
  .map((run) => ({
    ...run,
    events: run.events.toSpliced(-2, 0, {
      type: "tool-input",
      toolCallId: "call-open",
      toolName: "where",
      input: {},
      declared: true,
    }),
  }));

/** Any run that was stopped, failed or crashed in the middle of anything. */
export const cutRun: fc.Arbitrary<ArbitraryRun> = fc.tuple(
  steps,
  fc.nat(999),
  ending.filter(({ end }) => end !== "completed"),
).map(([events, at, ending]) => ended(events.slice(0, 2 + at % (events.length - 2)), ending));

/** The events with those of the end behind them, as `runs/answer.ts` and `runs/recovery.ts` do it. */
function ended(
  events: RunEvent[],
  { end, finishReason, usage, message }: Ending,
): ArbitraryRun {
  const assembly = new Assembly();
  for (const event of events) assembly.apply(event);
  const failure = { class: "provider_cut", message, retryable: true } as const;
  return {
    end,
    events: [
      ...events,
      ...assembly.closing(),
      ...(end === "failed" ? [{ type: "error", failure, usage, model: "m" } as const] : [
        { type: "step-finish", finishReason, usage } as const,
        { type: "finish", state: end, finishReason, usage, model: "m" } as const,
      ]),
    ],
  };
}

function stepEvents(
  [content, finishReason, usage]: [RunEvent[], FinishReason, Usage],
  step: number,
): RunEvent[] {
  return [
    { type: "step-start", messageId: MESSAGE_ID },
    // The ids of calls are unique; those of blocks come again in the next step.
    ...content.map((event) =>
      "toolCallId" in event ? { ...event, toolCallId: `${event.toolCallId}-${step}` } : event
    ),
    { type: "step-finish", finishReason, usage },
  ];
}

function interleave(blocks: Block[], picks: number[]): RunEvent[] {
  const rest = blocks.map((block, index) => block.map((event) => numbered(event, index)));
  const events: RunEvent[] = [];
  for (let turn = 0; rest.some((block) => block.length > 0); turn++) {
    const open = rest.filter((block) => block.length > 0);
    const kinds = open.map(([event]) => event!.type.replace(/-.*/, ""));
    // A text follows another, and so does a reasoning: AI SDK 4's protocol has no ids for them.
    const free = open.filter((_, index) => kinds.indexOf(kinds[index]!) === index);
    const block = free[(picks[turn] ?? 0) % free.length]!;
    const event = block.shift()!;
    events.push(event);
    // A text or a reasoning begins with its first piece.
    if (/^(text|reasoning)-start$/.test(event.type)) events.push(block.shift()!);
  }
  return events;
}

function numbered(event: RunEvent, index: number): RunEvent {
  return Object.fromEntries(
    Object.entries(event).map(([key, value]) => [
      key,
      /^(id|toolCallId|sourceId)$/.test(key) ? value.replace("#", index) : value,
    ]),
  ) as RunEvent;
}
