import { z } from "zod";
import { TOOL_ACTIONS } from "../../domain/approval.ts";
import { SIGN_IN_PATH } from "../../domain/tool.ts";
import type { App, HttpParts } from "../context.ts";
import { badRequest } from "../../wire/validate.ts";
import { answer, content, describe, json } from "../describe.ts";
import { notFound } from "../failure.ts";

const toolsSchema = () =>
  z.object({
    servers: z.array(z.object({
      name: z.string(),
      status: z.enum(["idle", "starting", "ready", "failed"]),
      error: z.string().optional().meta({ description: "Why it has no tools." }),
      sign_in_url: z.string().optional().meta({
        description: "Where somebody has to sign in by a browser, for all users of this server.",
      }),
    })),
    tools: z.array(z.object({
      name: z.string().meta({ description: "As models see it: `SERVER__TOOL`." }),
      server: z.string(),
      description: z.string(),
      input_schema: z.looseObject({}).meta({ description: "The JSON schema of its arguments." }),
      policy: z.enum(TOOL_ACTIONS).meta({
        description: "What happens to a call, unless a policy says otherwise for its arguments.",
      }),
    })),
  }).meta({ id: "Tools" });

const listTools = describe({
  operationId: "listTools",
  tag: "Tools",
  summary: "List the tools of this server",
  description: "The tools that Parley runs itself, and how the servers are that have them. A " +
    "server starts when it is first needed: this waits for it a few seconds.",
  responses: { 200: answer("The tools.", json(toolsSchema)) },
});

const signIn = describe({
  operationId: "finishSignIn",
  tag: "Tools",
  open: true,
  summary: "Come back from a sign-in",
  description:
    "Where a browser comes back to from the page of `sign_in_url`, with the answer in its " +
    "query. It needs no token: the answer's `state` is one that only this server and that page know.",
  responses: { 200: answer("A word about it.", content("text/plain", z.string)) },
  errors: [400, 404],
});

/** `GET /api/v2/tools`, and the page that a browser comes back to. */
export function tools(app: App, { toolbox, log }: HttpParts): void {
  app.get(SIGN_IN_PATH, signIn, async (c) => {
    const name = await toolbox.finishSignIn(new URL(c.req.url).searchParams).catch((error) => {
      log.log("warn", "a sign-in failed", { reason: String(error) });
      throw badRequest("The sign-in failed", { field: "code", detail: messageOf(error) });
    });
    if (name === undefined) throw notFound();
    return c.text(`Parley is signed in to ${name}. You can close this page.\n`);
  });

  app.get("/api/v2/tools", listTools, async (c) => {
    const known = await toolbox.definitions(c.var.principal);
    return c.json({
      servers: toolbox.statuses().map(({ signInUrl, ...server }) => ({
        ...server,
        ...(signInUrl !== undefined && { sign_in_url: signInUrl }),
      })),
      tools: known.map((tool) => ({
        name: tool.name,
        server: tool.server,
        description: tool.description ?? "",
        input_schema: tool.schema,
        policy: toolbox.actionOf(tool, {}),
      })),
    });
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
