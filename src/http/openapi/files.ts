import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { chatParams } from "./chats.ts";
import { cached, entityTag, unchanged } from "./documents.ts";
import { CHANGES, failure, failures, json, READS, success } from "./responses.ts";

const tags = ["Files"];

const EXAMPLE = {
  id: "0f0bd3f8-6d5e-4b62-9d3a-7f6c3f1f9a55",
  url: "/api/v2/chats/497f6eca-6276-4993-bfeb-53cbbbba6f08/files/" +
    "0f0bd3f8-6d5e-4b62-9d3a-7f6c3f1f9a55",
  media_type: "image/png",
  filename: "plan.png",
  size: 48_213,
  created_at: "2026-11-23T09:30:40.000Z",
};

const fileSchema = z.object({
  id: z.uuid(),
  url: z.string().meta({ description: "What a message gives as the `url` of a file." }),
  media_type: z.string().meta({ description: "As the bytes tell, whatever the client said." }),
  filename: z.string().nullable(),
  size: z.int().min(0).meta({ description: "In bytes." }),
  created_at: z.iso.datetime(),
}).meta({ id: "File" });

const nameQuery = z.object({
  filename: z.string().optional().meta({ description: "What the file is called; not for a form." }),
});

const bytes = z.string().min(1).meta({ format: "binary" });

const fileParams = chatParams.extend({
  file: z.string().meta({ description: "The id of a file.", example: EXAMPLE.id }),
});

/** Giving files to a chat, and reading them. */
export const filePaths: ZodOpenApiPathsObject = {
  "/api/v2/chats/{chat}/files": {
    post: {
      operationId: "uploadFile",
      tags,
      summary: "Give a file to a chat",
      description: "As a form, or as the body itself. It is deleted with the chat.",
      requestParams: { path: chatParams, query: nameQuery },
      requestBody: {
        required: true,
        content: {
          "multipart/form-data": { schema: z.object({ file: bytes }) },
          "application/octet-stream": { schema: bytes },
        },
      },
      responses: {
        201: success("The file.", json(fileSchema, EXAMPLE), {
          Location: z.string().meta({ description: "The path of the file." }),
        }),
        ...failures(...CHANGES, 400, 404, 413),
        409: failure("TooManyFiles", "The chat has as many files as it may have."),
      },
    },
  },
  "/api/v2/chats/{chat}/files/{file}": {
    get: {
      operationId: "getFile",
      tags,
      summary: "Read a file",
      description: "Its type is the one that its bytes told; a file that a browser could run is " +
        "saved and not shown.",
      requestParams: { path: fileParams, header: cached },
      responses: {
        200: success("The file.", { "*/*": { schema: z.string().meta({ format: "binary" }) } }, {
          ETag: entityTag,
          "Content-Disposition": z.string().meta({
            description: "Whether to show it, and what it is called.",
          }),
        }),
        304: unchanged,
        ...failures(...READS, 400, 404),
      },
    },
  },
};
