/** The version of this program, as `--version` and `/api/v2/buildinfo` give it. */
export const VERSION = "0.1.0";
