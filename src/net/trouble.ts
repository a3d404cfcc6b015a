/** What went wrong with a server that Parley asks, in words for people. */
export type TroubleKind = "unreachable" | "redirected" | "oversized";

/** An error of the other side. Its message continues the server's name: "is unreachable: …". */
export class Trouble extends Error {
  override readonly name = "Trouble";
  constructor(readonly kind: TroubleKind, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The deepest chain of causes that is looked at. */
const MAX_CAUSES = 10;

/** The trouble that an error was caused by, if any. */
export function troubleIn(error: unknown): Trouble | undefined {
  return causesOf(error).find((cause) => cause instanceof Trouble);
}

/** What the runtime's words for a request without an answer mean, the first that fits. */
const REASONS: readonly [RegExp, string][] = [
  [/dns error|failed to lookup/i, "its host name is not known (DNS)"],
  [/refused/i, "the connection was refused"],
  [/certificate|\btls\b|\bssl\b|handshake|InvalidContentType/i, "TLS failed"],
  [/timed? ?out/i, "it did not answer in time"],
  [/no route|network is unreachable|host is unreachable/i, "there is no route to it"],
  [/head is too large/i, "its headers are too large"],
  [/invalid HTTP|parse/i, "it does not speak HTTP"],
  [/closed|reset|broken pipe/i, "it closed the connection"],
];

/** The trouble of a request that got no answer. */
export function unreachable(error: unknown): Trouble {
  const text = causesOf(error).map((cause) => `${cause.name} ${cause.message}`).join(" ");
  const reason = REASONS.find(([words]) => words.test(text))?.[1] ?? "the request failed";
  return new Trouble("unreachable", `is unreachable: ${reason}`, { cause: error });
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (causes.push(cause) === MAX_CAUSES) break;
  }
  return causes;
}
