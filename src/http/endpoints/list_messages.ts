import { z } from "zod";
import { assemble } from "../../domain/assembly.ts";
import type { Attached } from "../../domain/attached.ts";
import type { Chat } from "../../domain/chat.ts";
import type { Message } from "../../domain/message.ts";
import type { ChatState, MessageOutline } from "../../domain/records.ts";
import type { RunStream } from "../../runs/run_stream.ts";
import { dataStream } from "../../wire/data_stream.ts";
import { negotiate } from "../../wire/negotiate.ts";
import { badRequest, nameSchema } from "../../wire/validate.ts";
import { dataStreamContent, dataStreamHeaders, protocolSchema, streamRun } from "../answer.ts";
import { ownChat } from "../chat.ts";
import type { App, HttpParts, RequestContext } from "../context.ts";
import { answer, component, describe, header, json, limitSchema, query } from "../describe.ts";
import { notFound } from "../failure.ts";
import { asItCame } from "../files.ts";
import { toForm } from "../message_form.ts";
import { jsonArray } from "../json_array.ts";

/** A message's stored key: a UUID, or that of a fork with its place in it. */
const keySchema = z.string().regex(
  /^[0-9a-f-]{36}(:\d{1,10})?$/,
  "Expected the key of a message",
);

/** Stands for the key of an answer in progress, before the key of the message that it answers. */
const LIVE = "live:";

/** A history that takes longer than others, in bytes. */
const LONG = 16 * 1024;

const cursorSchema = z.string().regex(
  /^(live:)?[0-9a-f-]{36}(:\d{1,10})?$/,
  "Expected a cursor from a Link header",
);

const querySchema = z.object({
  protocol: protocolSchema,
  limit: limitSchema(1_000, "The most messages to list: the newest ones, unless `after` is given."),
  before: cursorSchema.optional().meta({
    description: "Lists only messages before this cursor, from a `Link` header.",
  }),
  after: cursorSchema.optional().meta({
    description: "Lists only messages after this cursor, from a `Link` header.",
  }),
  branch: keySchema.optional().meta({
    description: "The key of a message, from the metadata of one that has siblings.",
  }),
  include: z.literal("live", 'Expected "live"').optional().meta({
    description: "`live` also lists the answer in progress.",
  }),
  chatId: nameSchema().optional().meta({
    description: "Sent by AI SDK 4 to resume: the answer is the live stream, or an empty one.",
  }),
});

const HISTORY = [
  {
    id: "d80df0b2-e803-4992-8469-2198eb0fb0ea",
    role: "user",
    createdAt: "2026-11-23T09:31:08.112Z",
    content: "What is a monad?",
    parts: [{ type: "text", text: "What is a monad?" }],
  },
  {
    id: "cc2668f2-b082-4967-a874-361a783dad81",
    role: "assistant",
    createdAt: "2026-11-23T09:31:08.112Z",
    content: "A monoid.",
    parts: [{ type: "step-start" }, { type: "text", text: "A monoid." }],
  },
];

async function historySchema() {
  const { messageSchema } = await import("../../wire/v4_schema.ts");
  const { uiMessageSchema } = await import("../../wire/ui_schema.ts");
  return z.union([z.array(messageSchema), z.array(uiMessageSchema)]);
}

const list = describe({
  operationId: "listMessages",
  tag: "Messages",
  summary: "Get the history of a chat",
  description:
    `Oldest message first, in the form of AI SDK 4; with \`?protocol=ui\`, or with headers \
that ask for the UI message stream, in the form of AI SDK 5 and later. An answer is listed once it has \
ended, because a client that joins its stream would show it twice.

An answer that failed, was stopped or was interrupted has a \`run\` in its \`metadata\`, or in one \
of its \`annotations\`: the \`status\`, the \`reason\` (the status, or the class of the failure), a \
\`message\` to show, and whether it is \`retryable\`. If it ended before its first word, the message that \
it should have answered has the \`run\`. To try again, send that message again.

A message that was edited or answered again is kept as a branch. A message with alternatives lists \
their keys in its \`metadata.branches\`, or in the last of its \`annotations\`.

Without \`limit\`, \`before\` and \`after\` the whole branch is listed. With them, \`Link\` has the \
URLs of the page before (\`rel="prev"\`) and the page after (\`rel="next"\`), if there are any.

AI SDK 4 resumes by this path with \`chatId\`: it gets the data stream of the answer in progress, \
or an empty one.`,
  parameters: [component("parameters", "UiMessageStream")],
  responses: {
    200: answer("The messages; or, with `chatId`, the answer in progress.", {
      ...json(historySchema, HISTORY),
      ...dataStreamContent,
    }, {
      ...dataStreamHeaders,
      Link: header('The pages around this one: `rel="prev"` and `rel="next"`.', {
        required: false,
      }),
    }),
  },
  errors: [429],
});
type Query = z.infer<typeof querySchema>;

/** `GET /api/v2/chats/{chat}/messages`. */
export function listMessages(app: App, parts: HttpParts): void {
  app.get("/api/v2/chats/:chat/messages", list, query(querySchema), async (c) => {
    const chat = await ownChat(c, parts);
    const asked = c.req.valid("query");
    if (asked.chatId !== undefined) return await resumeOldClient(c, chat, parts);
    const protocol = negotiate(asked.protocol, c.req.raw.headers);
    const state = await parts.runs.current(chat);
    if (!state) throw notFound();
    const page = await readPage(chat, state, asked, parts);
    const links = linksOf(c, page);
    if (links !== "") c.header("link", links);
    const size = page.outline.reduce((sum, { size, rest }) => sum + size + rest, 0);
    const isLong = size > LONG || asked.include === "live";
    const attached = new Map<string, Attached>();
    const show: Show = (message, siblings) =>
      toForm(asItCame(message, parts, attached), siblings, protocol);
    const lists = render(chat, page, state, asked, show, parts);
    return await jsonArray(c, parts, { lists, files: attached, isLong });
  });
}

/** AI SDK 4 resumes by a `GET` of the messages' path, and does not accept a 204. */
async function resumeOldClient(c: RequestContext, chat: Chat, parts: HttpParts): Promise<Response> {
  const run = await parts.runs.live(chat);
  if (!run) return c.body("", 200, { ...dataStream.headers });
  return await streamRun(c, parts, () => Promise.resolve({ run, encoder: dataStream }));
}

/** A message in the form that the client asked for. */
type Show = (message: Message, siblings?: readonly string[]) => object;

/** A part of a branch, without contents. */
interface Page {
  /** The messages to list; the answer in progress is the one with the id of the live run's. */
  outline: MessageOutline[];
  /** The message behind them on their branch. */
  next: MessageOutline | undefined;
  /** The stored part of an answer in progress that continues it. */
  continued: MessageOutline | undefined;
  hasOlder: boolean;
  hasNewer: boolean;
}

async function readPage(
  chat: Chat,
  { leafKey, live }: ChatState,
  { branch, limit = Infinity, before, after, include }: Query,
  { conversation }: HttpParts,
): Promise<Page> {
  const leaf = branch === undefined ? leafKey : await conversation.leafBehind(chat.id, branch);
  if (leaf === undefined) throw notFound();
  const isLast = after === undefined && before === undefined;
  const whole = await conversation.outline(chat.id, leaf, isLast ? limit + 2 : Infinity);
  const keys = whole.map(({ key }) => key);
  const id = live?.run.messageId;
  const continued = whole.at(-1)?.id === id ? whole.pop() : undefined;
  if (id !== undefined && branch === undefined && include === "live") {
    const key = continued?.key ?? LIVE + leaf;
    whole.push({ key, id, parentKey: leaf, role: "assistant", size: 0, rest: 0 });
  }
  const from = after === undefined ? 0 : placeOf(after, "after", keys) + 1;
  const to = before === undefined ? whole.length : placeOf(before, "before", keys);
  const isForward = after !== undefined && before === undefined;
  const first = isForward ? from : Math.max(from, to - limit);
  const last = isForward ? Math.min(to, from + limit) : Math.max(from, to);
  return {
    outline: whole.slice(first, last),
    next: whole[last],
    continued,
    hasOlder: first > 0,
    hasNewer: last < whole.length,
  };
}

/** The place of a cursor; that of an answer in progress stays the same when the answer has ended. */
function placeOf(cursor: string, field: string, keys: readonly string[]): number {
  const isLive = cursor.startsWith(LIVE);
  const place = keys.indexOf(isLive ? cursor.slice(LIVE.length) : cursor);
  if (place >= 0) return isLive ? place + 1 : place;
  const detail = "Expected a cursor of this branch, from a Link header";
  throw badRequest("Invalid query", { field, detail });
}

/** The `Link` header to the pages around this one. */
function linksOf(c: RequestContext, { outline, hasOlder, hasNewer }: Page): string {
  const { before: _, after: __, ...asked } = c.req.query();
  const link = (rel: string, cursor: Record<string, string>) =>
    `<${c.req.path}?${new URLSearchParams({ ...asked, ...cursor })}>; rel="${rel}"`;
  const first = outline[0];
  const last = outline.at(-1);
  return [
    ...(hasOlder && first ? [link("prev", { before: first.key })] : []),
    ...(hasNewer && last ? [link("next", { after: last.key })] : []),
  ].join(", ");
}

/**
 * The messages of a page in the form of the protocol, some at a time. An answer in progress is left
 * out unless the client asks for it, because a client that joins its stream would show it twice.
 */
async function* render(
  chat: Chat,
  { outline, next, continued, hasNewer }: Page,
  { live, leafKey }: ChatState,
  { branch, limit }: Query,
  show: Show,
  parts: HttpParts,
): AsyncGenerator<object[]> {
  const isLive = ({ id }: MessageOutline) => id === live?.run.messageId;
  const stored = outline.filter((message) => !isLive(message));
  yield* renderAll(chat, stored, next, show, parts);
  if (branch !== undefined || hasNewer) return;
  // An answer that ended meanwhile can no longer be joined.
  const now = await parts.runs.current(chat);
  if (!now) return;
  const hasEnded = live !== undefined && now.live?.run.id !== live.run.id;
  const missed = [
    ...(hasEnded && continued ? [continued] : []),
    ...await parts.conversation.outlineBehind(chat.id, leafKey, now.leafKey),
  ];
  const ended = missed.filter(({ id }) => id !== now.live?.run.messageId);
  const room = limit === undefined ? ended.length : limit - stored.length;
  yield* renderAll(chat, ended.slice(0, room), ended[room], show, parts);
  if (!now.live || !outline.some(isLive)) return;
  const stream = await parts.runs.find(chat.ownerId, now.live.run.id);
  if (stream) yield [show(await liveMessage(stream, parts))];
}

async function* renderAll(
  chat: Chat,
  outline: readonly MessageOutline[],
  next: MessageOutline | undefined,
  show: Show,
  { conversation, messages }: HttpParts,
): AsyncGenerator<object[]> {
  // A question whose last run failed may have an answer of another run.
  const answers = [...outline, ...next ? [next] : []].filter(({ role }) => role === "assistant");
  const answered = new Set(answers.map(({ parentKey }) => parentKey));
  const pages = conversation.pages(chat.id, outline);
  let isOver = false;
  const nextList = async () => {
    const { value: page } = await pages.next();
    isOver = page === undefined;
    if (!page) return [];
    const siblings = await messages.siblings(chat.id, page.map(({ key }) => key));
    return page.map((message) => {
      const { key, role } = message;
      const isFine = role === "user" && answered.has(key);
      const shown = isFine ? { ...message, status: "completed" as const } : message;
      return show(shown, siblings.get(key));
    });
  };
  // No variable keeps a list while the client takes it.
  while (!isOver) yield await nextList();
}

async function liveMessage(run: RunStream, { turns }: HttpParts): Promise<Message> {
  const { messageId, model, createdAt } = run.identity;
  const { before } = run;
  return {
    id: messageId,
    role: "assistant",
    parts: assemble(await run.published(() => turns.next()), {
      ended: false,
      before: before?.parts,
    }),
    metadata: before?.metadata ?? {},
    status: "completed",
    model,
    finishReason: null,
    usage: null,
    createdAt: before?.createdAt ?? createdAt,
  };
}
