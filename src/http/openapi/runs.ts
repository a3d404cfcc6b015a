import { z } from "zod";
import type { ZodOpenApiPathsObject, ZodOpenApiResponsesObject } from "zod-openapi";
import { messageSchema, resumeSchema, stoppedSchema, stopSchema } from "../schemas.ts";
import { chatParams } from "./chats.ts";
import { CHANGES, failures, json, READS, success, TAKES_BODY } from "./responses.ts";
import { answerStream, NEGOTIATION, protocolParams } from "./stream.ts";

const tags = ["Runs"];

const RUN = "3b66fb66-86ac-47c6-95aa-9ae31d233603";

const joinHeaders = protocolParams.extend({
  "Last-Event-ID": z.string().regex(/^\d{0,10}$/).optional().meta({
    description: "The same as `after`, which goes before it.",
    param: { id: "LastEventId" },
  }),
});

const joinResponses: ZodOpenApiResponsesObject = {
  200: answerStream,
  204: {
    id: "NothingToJoin",
    ...success(
      "There is nothing to join, or nothing more of it, or the run's log is no longer kept. The " +
        "history has what there was.",
    ),
  },
  ...failures(...READS, 400, 404, 429),
};

const clientParams = chatParams.extend({
  client: z.string().meta({
    description: "The client's own id of its chat, which is not looked at.",
    example: "8nMPrSkW8yHYvX0j",
  }),
});

const runParams = chatParams.extend({
  run: z.string().meta({ description: "The id of a run.", example: RUN }),
});

const JOINING =
  `From its beginning, or from behind the last event that the client has. The pieces that a client \
gets by leaving and joining again are the whole stream.

${NEGOTIATION}; where nothing tells, it is the one in which the answer was asked for.`;

const queuedSchema = z.object({
  run_id: z.uuid(),
  model: z.string(),
  created_at: z.iso.datetime(),
  message: messageSchema,
}).meta({ id: "QueuedMessage" });

/** Joining runs, stopping them, and the messages that wait for them. */
export const runPaths: ZodOpenApiPathsObject = {
  "/api/v2/chats/{chat}/stream": {
    get: {
      operationId: "resumeStream",
      tags,
      summary: "Join the answer that is being made",
      description: JOINING,
      requestParams: { path: chatParams, query: resumeSchema, header: joinHeaders },
      responses: joinResponses,
    },
  },
  "/api/v2/chats/{chat}/messages/{client}/stream": {
    get: {
      operationId: "resumeClientStream",
      tags,
      summary: "Join it where AI SDK's clients look for it",
      description: "The same as `/api/v2/chats/{chat}/stream`: the path that AI SDK 5 and later " +
        "make of the one that they send messages to.",
      requestParams: { path: clientParams, query: resumeSchema, header: joinHeaders },
      responses: joinResponses,
    },
  },
  "/api/v2/chats/{chat}/stop": {
    post: {
      operationId: "stopRun",
      tags,
      summary: "Stop the answer",
      description: "Answers once the request to the model is closed and what it said is stored. " +
        "Where another Parley on the same database makes the answer and has not ended it after 10 " +
        "seconds, `stopped` is false and `run_id` says which.",
      requestParams: { path: chatParams },
      requestBody: { content: json(stopSchema, { run_id: RUN }) },
      responses: {
        200: success("What was stopped.", json(stoppedSchema, { stopped: true, run_id: RUN })),
        ...failures(...CHANGES, ...TAKES_BODY, 404),
      },
    },
  },
  "/api/v2/chats/{chat}/queue": {
    get: {
      operationId: "listQueue",
      tags,
      summary: "List the messages that wait",
      description: "Those sent with the busy policy `queue`, the next one first.",
      requestParams: { path: chatParams },
      responses: {
        200: success("The messages.", json(z.array(queuedSchema))),
        ...failures(...READS, 400, 404),
      },
    },
  },
  "/api/v2/chats/{chat}/queue/{run}": {
    delete: {
      operationId: "cancelQueued",
      tags,
      summary: "Take a waiting message back",
      requestParams: { path: runParams },
      responses: {
        204: success("It waits no more."),
        ...failures(...CHANGES, 400, 404),
      },
    },
  },
};
