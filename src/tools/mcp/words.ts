/** What went wrong with a server, as the rest of a sentence that begins with its name. */
import type { ProtocolError, SdkError, SdkHttpError } from "@modelcontextprotocol/client";
import { troubleIn } from "../../net/trouble.ts";

/** The most of what a server says itself, in characters. */
const MAX_SAID = 500;

/** The HTTP status that an error is about; none if the server answered in words of the protocol. */
export function statusOf(error: unknown): number | undefined {
  for (let cause = error, n = 0; cause instanceof Error && n < 10; cause = cause.cause, n++) {
    if (isAnswer(cause)) return undefined;
    const { data, code } = cause as SdkHttpError;
    if (typeof data?.status === "number") return data.status;
    if (cause.name === "UnauthorizedError") return 401;
    // That of a stream of events.
    if (typeof code === "number") return code;
    const [, status] = /\(HTTP (\d{3})\)/.exec(cause.message) ?? [];
    if (status !== undefined) return Number(status);
  }
  return undefined;
}

/** True for an error that the server answered with. Its code and its words are its own. */
function isAnswer(error: Error): error is ProtocolError {
  return error.name === "ProtocolError";
}

/** The words for an error of the SDK. */
export function wordsFor(error: unknown): string {
  const status = statusOf(error);
  if (status === 401) {
    return "wants to know who asks (401): it may use OAuth. Set a token in its `headers`, as " +
      "Authorization";
  }
  if (status === 403) return "refuses access (403): look at its `headers`";
  if (status === 404 && /session/i.test(saidIn(error))) return "does not know the session any more";
  if (status !== undefined && status < 400) {
    return `redirects to another address (${status}), which is not followed: look at its \`url\``;
  }
  if (status !== undefined) return `answers with status ${status}${saidIn(error)}`;
  if (!(error instanceof Error)) return `failed: ${said(String(error))}`;
  const trouble = troubleIn(error);
  if (trouble) return trouble.message;
  if (error instanceof TypeError && /reading a body/.test(error.message)) {
    return "ended its answer before the result";
  }
  if (error instanceof SyntaxError) return "sent what is not JSON";
  const [, unusable] = /\((Unexpected content type: [^)]*)\)/.exec(error.message) ?? [];
  if (unusable !== undefined) return `does not answer as MCP servers do: ${said(unusable)}`;
  switch ((error as SdkError).code as unknown) {
    case "REQUEST_TIMEOUT":
      return "did not answer in time";
    case "CONNECTION_CLOSED":
      return "closed the connection";
    case "INVALID_RESULT":
      return `sent an answer that is not valid MCP${methodIn(error.message)}`;
    case "UNSUPPORTED_RESULT_TYPE":
      return "asks for input, which Parley cannot give it";
  }
  if (isAnswer(error)) return `answered with an error: ${said(error.message)} (${error.code})`;
  return `failed: ${said(error.message)}`;
}

/** True if there is nobody at the other end. */
export function isNetwork(error: unknown): boolean {
  return troubleIn(error)?.kind === "unreachable";
}

/** What was asked for; the rest of the message is the inside of a checker. */
function methodIn(message: string): string {
  const [, method] = /^Invalid result for ([\w/]+)/.exec(message) ?? [];
  return method === undefined ? "" : ` (to ${method})`;
}

function saidIn(error: unknown): string {
  const text = (error as SdkHttpError).data?.["text"];
  return typeof text === "string" && text.trim() !== "" ? `: ${said(text)}` : "";
}

function said(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > MAX_SAID ? `${line.slice(0, MAX_SAID)}…` : line;
}
