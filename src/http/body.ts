/** Reads request bodies within bounds. */
import type { z } from "zod";
import { AppError, type Validation } from "../domain/errors.ts";
import { validate } from "../wire/validate.ts";

/** How deep a JSON body may be nested. */
const MAX_DEPTH = 64;

/**
 * The JSON body of a request, or undefined for none.
 * @throws {AppError} `unsupported_media_type`, `too_large`, or `bad_request` with `failure` as the
 * message.
 */
export async function readJson(
  request: Request,
  limit: number,
  failure: string,
): Promise<unknown> {
  const bytes = await readBytes(request, limit);
  if (bytes.length === 0) return undefined;
  checkType(request.headers.get("content-type"));
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new AppError("bad_request", failure, {
      detail: error instanceof SyntaxError
        ? `Expected JSON: ${error.message.slice(0, 200)}`
        : "Expected JSON in UTF-8",
    });
  }
  if (deeperThan(value, MAX_DEPTH)) {
    throw new AppError("bad_request", failure, {
      detail: `Expected JSON that is nested at most ${MAX_DEPTH} deep`,
    });
  }
  return value;
}

/**
 * The value as the schema has it.
 * @throws {AppError} `bad_request` with each wrong field.
 */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, failure: string): T {
  const validated = validate(schema, value);
  if ("data" in validated) return validated.data;
  const validations = validated.issues.map((issue): Validation => ({
    field: fieldName(issue.path),
    detail: issue.message,
  }));
  const first = validations[0]!;
  throw new AppError("bad_request", failure, {
    detail: first.field === "" ? first.detail : `${first.field}: ${first.detail}`,
    validations,
  });
}

/** The whole body. @throws {AppError} `too_large` beyond `limit` bytes. */
export async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > limit) throw tooLarge(limit);
  if (!request.body) return new Uint8Array();
  // A length that was declared is what HTTP lets through: no need to count.
  if (declared > 0) return new Uint8Array(await request.arrayBuffer());
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooLarge(limit: number): AppError {
  return new AppError("too_large", "The request body is too large", {
    detail: `Expected at most ${limit} bytes.`,
    validations: [{ field: "", detail: `Expected at most ${limit} bytes` }],
  });
}

function checkType(type: string | null): void {
  if (type === null || /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return;
  throw new AppError("unsupported_media_type", "Unsupported content type", {
    detail: `Expected application/json, found ${type.slice(0, 100)}`,
  });
}

/** Walks without recursion: what it guards against is a stack that overflows. */
function deeperThan(value: unknown, depth: number): boolean {
  let level = [value];
  for (let at = 0; level.length > 0; at++) {
    if (at > depth) return true;
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== "object" || item === null) continue;
      for (const child of Object.values(item)) {
        if (typeof child === "object" && child !== null) next.push(child);
      }
    }
    level = next;
  }
  return false;
}

function fieldName(path: PropertyKey[]): string {
  return path.map((key, index) =>
    typeof key === "number" ? `[${key}]` : index === 0 ? String(key) : `.${String(key)}`
  ).join("");
}
