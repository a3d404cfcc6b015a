/** The reference page: the OpenAPI document as HTML, without a script or anything from outside. */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { curl } from "./docs/curl.ts";
import {
  type Answer,
  examplesOf,
  type Media,
  type Operation,
  type PlainDocument,
  type SecurityScheme,
  withoutReferences,
} from "./docs/document.ts";
import { type Html, inline, note, pre, prose, rows } from "./docs/prose.ts";
import { fields, schemaFields, typeName } from "./docs/schema.ts";
import { STYLE } from "./docs/style.ts";
import type { OpenApiDocument } from "./openapi.ts";

/** A page and the Content-Security-Policy that it needs. */
export interface DocsPage {
  html: string;
  policy: string;
}

/** Renders the document. Everything out of it is escaped. */
export async function renderDocs(document: OpenApiDocument): Promise<DocsPage> {
  const hash = createHash("sha256").update(STYLE).digest("base64");
  return {
    html: String(await page(withoutReferences(document))),
    policy: `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; ` +
      "form-action 'none'; frame-ancestors 'none'",
  };
}

interface Entry {
  method: string;
  path: string;
  operation: Operation;
}

interface Group {
  name: string;
  description: string | undefined;
  entries: Entry[];
}

function page(document: PlainDocument): Html {
  const { title, version, description } = document.info;
  const groups = groupByTag(document);
  return html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${title} ${version}: API reference</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <a class="skip" href="#main">Skip to the content</a>
        ${contents(groups)}
        <main id="main" tabindex="-1">
          <header>
            <h1>${title} <small>${version}</small></h1>
            ${prose(description)}
            <p>Programs read the same as <a href="/openapi.json">OpenAPI</a>.</p>
          </header>
          ${authentication(document)}
          ${groups.map(section)}
          ${errors(groups.flatMap(({ entries }) => entries))}
        </main>
      </body>
    </html>
  `;
}

function groupByTag({ tags, paths }: PlainDocument): Group[] {
  const entries = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation }))
  );
  return tags.map(({ name, description }) => ({
    name,
    description,
    entries: entries.filter(({ operation }) => operation.tags.includes(name)),
  }));
}

function contents(groups: Group[]): Html {
  return html`
    <nav aria-label="Contents">
      <ul>
        <li><a href="#authentication">Authentication</a></li>
        ${groups.map(contentsOf)}
        <li><a href="#errors">Errors</a></li>
      </ul>
    </nav>
  `;
}

function contentsOf({ name, entries }: Group): Html {
  const links = entries.map(({ method, operation }) =>
    html`
      <li>
        <a href="#${operation.operationId}">${badge(method)} <span>${operation.summary}</span></a>
      </li>
    `
  );
  return html`
    <li>
      <a href="#${anchor(name)}">${name}</a>
      <ul>
        ${links}
      </ul>
    </li>
  `;
}

function badge(method: string): Html {
  return html`<span class="method ${method}">${method}</span>`;
}

function authentication({ components, security }: PlainDocument): Html {
  const schemes = security.flatMap(Object.keys).flatMap((name) =>
    components.securitySchemes[name] ?? []
  );
  return html`
    <section id="authentication">
      <h2>Authentication</h2>
      <p>Most operations need a token, in any of these ways:</p>
      ${rows(schemes.map((scheme) => [tokenLine(scheme), prose(scheme.description)]))}
      <p>The examples below read where Parley is, and a token for it, from the environment:</p>
      ${pre("export PARLEY=http://127.0.0.1:4320\nexport TOKEN=…")}
    </section>
  `;
}

function tokenLine({ name, in: where }: SecurityScheme): Html {
  if (name === undefined) return html`<code>Authorization: Bearer TOKEN</code>`;
  return where === "cookie"
    ? html`<code>Cookie: ${name}=TOKEN</code>`
    : html`<code>${name}: TOKEN</code>`;
}

function section({ name, description, entries }: Group): Html {
  return html`
    <section id="${anchor(name)}">
      <h2>${name}</h2>
      ${prose(description)} ${entries.map(article)}
    </section>
  `;
}

function article({ method, path, operation }: Entry): Html {
  const { operationId, summary, description, security, parameters = [], requestBody } = operation;
  return html`
    <article id="${operationId}" aria-labelledby="${operationId}-name">
      <h3 id="${operationId}-name"><a href="#${operationId}">${summary}</a></h3>
      <p class="route">
        ${badge(method)} <code>${path}</code>
        ${security?.length === 0 ? note("needs no token") : ""}
      </p>
      ${prose(description)}
      ${parameters.length > 0 ? html`<h4>Parameters</h4>` : ""}
      ${parameters.length > 0 ? fields(parameters.map((field) => [field.name, field])) : ""}
      ${requestBody ? body(requestBody) : ""}
      <h4>Answers</h4>
      ${answers(operation)}
      <h4>Example</h4>
      ${pre(curl(method, path, operation))}
    </article>
  `;
}

function body({ required, content }: NonNullable<Operation["requestBody"]>): Html[] {
  return Object.entries(content).map(([type, media]) =>
    html`
      <h4>Body ${note(required ? type : `${type}, may be left out`)}</h4>
      ${schemaFields(media.schema)} ${media.examples ? examples(media) : ""}
    `
  );
}

function examples(media: Media): Html[] {
  return examplesOf(media).map(({ summary, value }) =>
    html`
      ${summary === undefined ? "" : html`<h5>${summary}</h5>`} ${pre(shown(value))}
    `
  );
}

function answers({ responses }: Operation): Html {
  const all = Object.entries(responses);
  const errors = all.filter(([status]) => status >= "400").map(([status, { description }]) =>
    html`
      <a href="#error-${status}" title="${description.replaceAll("`", "")}">${status}</a>
    `
  );
  return html`
    ${all.filter(([status]) => status < "400").map(answer)}
    <p class="errors">Errors ${errors}</p>
  `;
}

function answer([status, { description, headers = {}, content = {} }]: [string, Answer]): Html {
  const types = Object.values(content).map(({ schema }) => note(typeName(schema)));
  const bodies = Object.entries(content).map(([type, media]) =>
    html`
      <h5>Body ${note(type)}</h5>
      ${schemaFields(media.schema)} ${examples(media)}
    `
  );
  return html`
    <details class="answer">
      <summary><b>${status}</b> ${inline(description)} ${types}</summary>
      ${bodies}
      <h5>Headers</h5>
      ${fields(Object.entries(headers))}
    </details>
  `;
}

function errors(entries: Entry[]): Html {
  const byStatus = new Map(
    entries.flatMap(({ operation }) => Object.entries(operation.responses))
      .filter(([status]) => status >= "400"),
  );
  const sorted = [...byStatus].sort(([a], [b]) => a.localeCompare(b));
  const schema = sorted[0]?.[1].content?.["application/json"]?.schema;
  return html`
    <section id="errors">
      <h2>Errors</h2>
      <p>Every error has a body of this form:</p>
      ${schema ? schemaFields(schema) : ""}
      <h3>Statuses</h3>
      ${rows(sorted.map(([status, failure]) => [
        html`<b id="error-${status}">${status}</b>`,
        html`${prose(failure.description)} ${ownHeaders(failure)}`,
      ]))}
    </section>
  `;
}

function ownHeaders({ headers = {} }: Answer): Html[] {
  return Object.keys(headers).filter((name) => name !== "X-Request-Id").map((name) =>
    html`<p class="bounds">With <code>${name}</code></p>`
  );
}

function anchor(name: string): string {
  return name.toLowerCase().replaceAll(/\W+/g, "-");
}

function shown(example: unknown): string {
  return typeof example === "string" ? example : JSON.stringify(example, null, 2);
}
