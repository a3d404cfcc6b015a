import type { RunFailure, Validation } from "../domain/errors.ts";
import { type Json, JsonExcess, type JsonObject, parseJson } from "../domain/json.ts";
import type { OutputFormat } from "../domain/tool.ts";
import { inTurns } from "../domain/pauses.ts";
import { runFailure } from "./failure.ts";
import { Check, TooMuchWork } from "./schema/check.ts";
import { compile } from "./schema/compile.ts";
import { SchemaProblem } from "./schema/keywords.ts";

/** Why a schema cannot check answers, and in which field of it; undefined if it can. */
export async function schemaProblem(schema: JsonObject): Promise<Validation | undefined> {
  try {
    await compile(schema);
    return undefined;
  } catch (error) {
    if (error instanceof SchemaProblem) {
      return { field: error.path.join("."), detail: error.message };
    }
    if (error instanceof TooMuchWork) return { field: "", detail: "Expected a smaller schema" };
    throw error;
  }
}

/** What is wrong with an answer that has to be JSON; undefined if it is right. */
export async function outputFailure(
  text: string,
  { schema }: OutputFormat,
): Promise<RunFailure | undefined> {
  const reason = await mismatch(text, schema);
  return reason === undefined ? undefined : runFailure(
    "invalid_output",
    `The answer does not match the response_format: ${reason}`,
  );
}

/** What is wrong with the arguments of a tool call; undefined if they fit, or nobody can tell. */
export async function argumentsProblem(
  input: JsonObject,
  schema: JsonObject,
): Promise<string | undefined> {
  try {
    return await misfit(input, schema);
  } catch (error) {
    // The tool itself has to check them.
    if (error instanceof SchemaProblem || error instanceof TooMuchWork) return undefined;
    throw error;
  }
}

async function misfit(value: Json, schema: JsonObject): Promise<string | undefined> {
  const found = await inTurns(new Check(await compile(schema)).run(value));
  return found && `${["", ...found.path].join("/").slice(0, 500) || "the whole"}: ${found.detail}`;
}

async function mismatch(text: string, schema: JsonObject): Promise<string | undefined> {
  let value: Json;
  try {
    value = await parseJson(text) as Json;
  } catch (error) {
    return error instanceof JsonExcess ? "it has too many values" : "it is not JSON";
  }
  try {
    return await misfit(value, schema);
  } catch (error) {
    return error instanceof TooMuchWork
      ? "to check it takes too long"
      : "it cannot be checked by this schema";
  }
}
