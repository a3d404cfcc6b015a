import { inherited } from "../environment.ts";

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a command gets of the server's environment, and what it was given on purpose. */
export function commandEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  return { PATH, ...inherited(own), ...given };
}
