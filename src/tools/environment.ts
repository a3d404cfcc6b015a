/** A list of what programs may have of Parley's environment, so that no key is in it. */
const INHERITED = /^(PATH|HOME|LANG|LC_[A-Z]+|TERM|TMPDIR|USER|SHELL)$/;

/** What every program that a tool starts gets of Parley's environment. */
export function inherited(
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] =>
      INHERITED.test(entry[0]) && entry[1] !== undefined
    ),
  );
}
