import { TOKEN_HEADER } from "../auth.ts";
import type { Operation } from "./document.ts";

/** A command that asks for an operation; `$PARLEY` is the server and `$TOKEN` the token. */
export function curl(method: string, path: string, operation: Operation): string {
  const { parameters = [], requestBody, responses, security } = operation;
  const url = parameters.filter(({ in: where }) => where === "path").reduce(
    (url, { name, schema }) => url.replace(`{${name}}`, String(schema.example ?? `{${name}}`)),
    path,
  );
  const isStream = Object.values(responses).some(({ headers = {}, content = {} }) =>
    [...Object.keys(headers), ...Object.keys(content)].some((name) => /stream/i.test(name))
  );
  const example = requestBody?.content["application/json"]?.example;
  return [
    `curl ${isStream ? "-N " : ""}${method === "get" ? "" : `-X ${method.toUpperCase()} `}` +
    `"$PARLEY${url}"`,
    ...(security?.length === 0 ? [] : [`-H "${TOKEN_HEADER}: $TOKEN"`]),
    ...(example === undefined
      ? []
      : ["-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(example))}`]),
  ].join(" \\\n  ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
