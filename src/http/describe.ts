/** Describes routes. Their descriptions become the OpenAPI document (`openapi.ts`) on first request. */
import type { MiddlewareHandler } from "hono";
import {
  type ContentWithResolver,
  describeRoute,
  type DescribeRouteOptions,
  resolver,
  type ResolverReturnType,
  type ResponsesWithResolver,
  validator,
} from "hono-openapi";
import { z } from "zod";
import type { Env } from "./context.ts";
import { badRequest } from "../wire/validate.ts";

/** A response. */
export type Answer = Exclude<ResponsesWithResolver[string], { $ref: string }>;

/** An endpoint's documentation, without its path, its query and common errors. */
export type Description = Omit<DescribeRouteOptions, "tags" | "security" | "responses"> & {
  tag: string;
  /** True if the endpoint needs no token. */
  open?: true;
  responses: ResponsesWithResolver;
  /** The statuses of errors specific to this endpoint. */
  errors?: number[];
};

/** The middleware that describes a route. It comes before the handler. */
export function describe(description: Description): MiddlewareHandler<Env> {
  const { tag, open, errors = [], ...rest } = description;
  const security = open && { security: [] };
  return describeRoute({ ...rest, ...security, tags: [tag], "x-errors": errors } as typeof rest);
}

/** Checks and documents the query, which the handler reads with `c.req.valid("query")`. */
export function query<T extends z.ZodType>(schema: T) {
  return validator("query", schema, (result) => {
    if (result.success) return;
    throw badRequest(
      "Invalid query",
      ...result.error.map(({ path = [], message }) => ({ field: path.join("."), detail: message })),
    );
  }, { options: { override } });
}

/** `?limit=` of a list. */
export function limitSchema(maximum: number, description: string) {
  return z.string().regex(/^\d{1,4}$/, `Expected a whole number from 1 to ${maximum}`)
    .transform(Number).pipe(z.number().min(1).max(maximum)).optional()
    .meta({ type: "integer", minimum: 1, maximum, description });
}

/** A schema, or a function that makes it, so that it costs nothing at startup. */
type Documented = z.ZodType | (() => z.ZodType | Promise<z.ZodType>);

/** A response. Every response has the id of its request. */
export function answer(
  description: string,
  content?: ContentWithResolver,
  headers?: Answer["headers"],
): Answer {
  const id = { "X-Request-Id": component("headers", "RequestId") };
  return { description, ...(content && { content }), headers: { ...headers, ...id } };
}

/** A JSON body of a response. */
export function json(schema: Documented, example?: unknown): ContentWithResolver {
  return content("application/json", schema, example);
}

/** A JSON body of a request. */
export function jsonBody(
  schema: Documented,
  examples: Pick<ContentWithResolver[string], "example" | "examples">,
): ContentWithResolver {
  return { "application/json": { schema: late(schema, "input"), ...examples } };
}

/** A body of any media type. */
export function content(type: string, schema: Documented, example?: unknown): ContentWithResolver {
  const shown = example !== undefined && { example };
  return { [type]: { schema: late(schema, "output"), ...shown } };
}

/** A reference to a component that `openapi.ts` defines. */
export function component(kind: "headers" | "parameters" | "responses", name: string) {
  return { $ref: `#/components/${kind}/${name}` };
}

/** A response header, by default required and a string. */
export function header(description: string, more: { required?: false; schema?: object } = {}) {
  return { description, required: true, schema: { type: "string" as const }, ...more };
}

/** A parameter in the path. */
export function pathParameter(name: string, description: string, example: string, more?: object) {
  const schema = { type: "string" as const, ...more, example };
  return { in: "path", name, description, required: true, schema };
}

/** A parameter in a header. */
export function headerParameter(name: string, description: string, pattern?: string) {
  const schema = { type: "string" as const, ...(pattern !== undefined && { pattern }) };
  return { in: "header", name, description, schema };
}

const failureSchema = () =>
  z.object({
    message: z.string().meta({ description: "The error, for a person." }),
    detail: z.string().optional().meta({ description: "The expected value, and the value found." }),
    validations: z.array(z.object({ field: z.string(), detail: z.string() })).optional()
      .meta({ description: "The fields of the request that were refused." }),
  }).meta({ id: "Response" });

/** An error response in Coder's shape. */
export function failure(description: string, headers?: Answer["headers"]): Answer {
  return answer(description, json(failureSchema), headers);
}

/** A schema that hono-openapi converts when the document is first requested. */
function late(schema: Documented, io: "input" | "output"): ResolverReturnType {
  return {
    async toOpenAPISchema() {
      const loaded = typeof schema === "function" ? await schema() : schema;
      return resolver(loaded, { options: { io, override } }).toOpenAPISchema();
    },
  } as ResolverReturnType;
}

/** Removes patterns that repeat a format, and zod's meaningless bound of integers. */
function override({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format !== undefined || jsonSchema.type === "integer") delete jsonSchema.pattern;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
}
