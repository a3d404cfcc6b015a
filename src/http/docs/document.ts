import type { OpenApiDocument } from "../openapi.ts";

/** An OpenAPI document as the reference page reads it: without references. */
export interface PlainDocument {
  info: { title: string; version: string; description?: string };
  tags: { name: string; description?: string }[];
  security: Record<string, string[]>[];
  paths: Record<string, Record<string, Operation>>;
  components: { securitySchemes: Record<string, SecurityScheme> };
}

export interface Operation {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Content };
  responses: Record<string, Answer>;
}

export interface Parameter extends Header {
  name: string;
  in: string;
}

export interface Header {
  required?: boolean;
  description?: string;
  schema: Schema;
}

export interface Answer {
  description: string;
  headers?: Record<string, Header>;
  content?: Content;
}

export type Content = Record<string, Media>;

export interface Media {
  schema: Schema;
  example?: unknown;
  examples?: Record<string, Example>;
}

export interface Example {
  summary?: string;
  value: unknown;
}

export interface SecurityScheme {
  type: string;
  name?: string;
  in?: string;
  description?: string;
}

export interface Schema {
  /** The name of the component that it was. */
  title?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  example?: unknown;
  const?: unknown;
  enum?: unknown[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  maxItems?: number;
}

/** All examples of a body. */
export function examplesOf({ example, examples = {} }: Media): Example[] {
  return example === undefined ? Object.values(examples) : [{ value: example }];
}

/** Puts what is referred to in the place of each reference, schemas with their name as `title`. */
export function withoutReferences(document: OpenApiDocument): PlainDocument {
  return plain(document, document, []) as PlainDocument;
}

function plain(value: unknown, document: OpenApiDocument, within: string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => plain(item, document, within));
  if (typeof value !== "object" || value === null) return value;
  const { $ref, ...rest } = value as { $ref?: string };
  const own = Object.fromEntries(
    Object.entries(rest).map(([key, item]) => [key, plain(item, document, within)]),
  );
  if ($ref === undefined) return own;
  const title = $ref.slice($ref.lastIndexOf("/") + 1);
  // A schema that holds itself is shown once.
  if (within.includes($ref)) return { title, ...own };
  const target = plain(lookUp($ref, document), document, [...within, $ref]) as object;
  return { ...($ref.startsWith("#/components/schemas/") && { title }), ...target, ...own };
}

function lookUp($ref: string, document: OpenApiDocument): unknown {
  return $ref.split("/").slice(1).reduce<unknown>(
    (at, key) => (at as Record<string, unknown>)[key],
    document,
  );
}
