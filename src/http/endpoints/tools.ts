import { z } from "zod";
import { TOOL_ACTIONS } from "../../domain/approval.ts";
import type { App, HttpParts } from "../context.ts";
import { answer, describe, json } from "../describe.ts";

const toolsSchema = () =>
  z.object({
    servers: z.array(z.object({
      name: z.string(),
      status: z.enum(["idle", "starting", "ready", "failed"]),
      error: z.string().optional().meta({ description: "Why it has no tools." }),
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

/** `GET /api/v2/tools`. */
export function tools(app: App, { toolbox }: HttpParts): void {
  app.get("/api/v2/tools", listTools, async (c) => {
    const known = await toolbox.definitions(c.var.principal);
    return c.json({
      servers: toolbox.statuses(),
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
