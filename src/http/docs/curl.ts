import { TOKEN_HEADER } from "../auth.ts";
import { examplesOf, type Operation } from "./document.ts";

/** A command that asks for an operation; `$PARLEY` is the server and `$TOKEN` the token. */
export function curl(method: string, path: string, operation: Operation): string {
  const { parameters = [], requestBody, responses, security } = operation;
  const url = parameters.filter(({ in: where }) => where === "path").reduce(
    (url, { name, schema }) => url.replace(`{${name}}`, String(schema.example ?? `{${name}}`)),
    path,
  );
  const types = Object.values(responses).flatMap(({ content = {} }) => Object.keys(content));
  const isStream = types.includes("text/event-stream");
  const body = requestBody?.content["application/json"];
  const example = body && examplesOf(body)[0]?.value;
  return [
    `curl ${isStream ? "-N " : ""}${method === "get" ? "" : `-X ${method.toUpperCase()} `}` +
    `"$PARLEY${url}"`,
    ...(security?.length === 0 ? [] : [`-H "${TOKEN_HEADER}: $TOKEN"`]),
    ...(example === undefined
      ? []
      : ["-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(example))}`]),
    ...(requestBody?.content["multipart/form-data"] ? ["-F file=@FILE"] : []),
  ].join(" \\\n  ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
