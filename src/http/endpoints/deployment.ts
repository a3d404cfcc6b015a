import { z } from "zod";
import { VERSION } from "../../version.ts";
import type { App, HttpParts } from "../context.ts";
import { answer, content, describe, json, query } from "../describe.ts";

const modelsSchema = () =>
  z.object({
    models: z.array(
      z.object({
        id: z.string().meta({ description: "The `model` of a message." }),
        display_name: z.string().meta({ description: "The name to show to people." }),
        provider: z.string(),
      }).meta({ id: "LanguageModel" }),
    ),
    problems: z.array(
      z.object({
        provider: z.string(),
        kind: z.enum(["unreachable", "key_refused", "list_failed", "failing"]),
        message: z.string(),
      }).meta({ id: "ProviderProblem" }),
    ).meta({ description: "What is wrong with providers; models may be missing because of it." }),
  }).meta({ id: "LanguageModelConfig" });

const listModels = describe({
  operationId: "listModels",
  tag: "Models",
  summary: "List models",
  responses: {
    200: answer(
      "The models that can answer.",
      json(modelsSchema, {
        models: [{ id: "demo", display_name: "Demo", provider: "demo" }],
        problems: [],
      }),
    ),
  },
});

const userSchema = () =>
  z.object({ id: z.uuid(), username: z.string(), name: z.string() }).meta({ id: "User" });

const getUser = describe({
  operationId: "getUser",
  tag: "Deployment",
  summary: "Get the current user",
  responses: { 200: answer("The user of the token.", json(userSchema)) },
});

const buildInfoSchema = () =>
  z.object({ version: z.string(), external_url: z.string() }).meta({ id: "BuildInfoResponse" });

const getBuildInfo = describe({
  operationId: "getBuildInfo",
  tag: "Deployment",
  summary: "Get Parley's version",
  open: true,
  responses: { 200: answer("The version.", json(buildInfoSchema)) },
});

const ok = content("text/plain", () => z.literal("OK"));

const getHealth = describe({
  operationId: "getHealth",
  tag: "Deployment",
  summary: "Check that Parley runs",
  open: true,
  responses: { 200: answer("Parley runs.", ok) },
});

const readinessQuery = z.object({
  verbose: z.string().optional().meta({ description: "With any value, or none." }),
});

const getReadiness = describe({
  operationId: "getReadiness",
  tag: "Deployment",
  summary: "Check that the database can be used",
  description:
    "It has to answer; a file must still be where it was, and take a write. With `verbose`, also says what is wrong with providers, and how many answers of a former process " +
    "are left: Parley is ready all the same.",
  open: true,
  responses: { 200: answer("The database can be used.", content("text/plain", () => z.string())) },
  errors: [503],
});

/** The models, `GET /api/v2/users/me`, `/api/v2/buildinfo`, `/healthz` and `/readyz`. */
export function deployment(app: App, { catalog, runs, health }: HttpParts): void {
  app.get("/api/v2/deployment/llms", listModels, async (c) => {
    const models = await catalog.list();
    return c.json({
      models: models.map(({ id, displayName, provider }) => (
        { id, display_name: displayName, provider }
      )),
      problems: catalog.problems(),
    });
  });

  app.get("/api/v2/users/me", getUser, (c) => {
    const { id, username } = c.var.principal;
    return c.json({ id, username, name: username });
  });

  const version = { version: `v${VERSION}+parley`, external_url: "" };
  app.get("/api/v2/buildinfo", getBuildInfo, (c) => c.json(version));

  app.get("/healthz", getHealth, (c) => c.text("OK"));

  app.get("/readyz", getReadiness, query(readinessQuery), async (c) => {
    await health.ready();
    if (c.req.valid("query").verbose === undefined) return c.text("OK");
    await catalog.list();
    const left = await runs.left();
    const lines = [
      "[+] The database can be used.",
      left === 0
        ? "[+] No answer of a former process is left."
        : `[-] ${left} answers of a former process are still to be ended or continued.`,
      ...catalog.problems().map(({ message }) => `[-] ${message}`),
    ];
    return c.text(lines.join("\n"));
  });
}
