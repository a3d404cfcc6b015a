/** The environment of commands: a list of what they may have, so that no key of the server is in it. */

const ALLOWED = /^(PATH|HOME|LANG|LC_[A-Z]+|TERM|USER|SHELL|TMPDIR)$/;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a command gets of the server's environment, and what it was given on purpose. */
export function commandEnvironment(
  own: Readonly<Record<string, string | undefined>>,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const allowed = Object.entries(own).filter((entry): entry is [string, string] =>
    ALLOWED.test(entry[0]) && entry[1] !== undefined
  );
  return { PATH, ...Object.fromEntries(allowed), ...given };
}
