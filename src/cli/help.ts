import { SETTINGS } from "../config/settings.ts";

/** What `parley --help` prints. */
export function helpText(): string {
  const flags = SETTINGS.flatMap((setting) =>
    "flag" in setting
      ? [[`--${setting.flag} ${setting.expected.split(",")[0]}`, setting.description] as const]
      : []
  );
  const variables = SETTINGS.map((setting) =>
    [
      setting.env,
      setting.description + ("default" in setting ? ` [${setting.default}]` : ""),
    ] as const
  );
  return `parley: a chat backend in one file

Usage:
  parley [serve] [flags]          serve the chat API
  parley token create [--name NAME] [--user USER] [--expires 30d]
  parley token list
  parley token revoke ID|NAME
  parley config [flags]           print the effective configuration, secrets masked
  parley --help | --version

Flags:
${
    table([
      ...flags,
      ["--config FILE", "A configuration file (JSONC); its keys are those of the README."],
    ])
  }

Environment (flags win over it, it wins over the file):
${table(variables)}

Providers:
${
    table([
      [
        "CODER_AI_PROVIDER_<n>_…",
        "TYPE (openai, openai-compatible, anthropic, google, demo), API_KEY, BASE_URL, MODELS;",
      ],
      ["PARLEY_AI_PROVIDER_<n>_…", "the same, and NAME. With none of them:"],
      ["OPENAI_API_KEY, OPENAI_BASE_URL", "OpenAI, or a server that speaks its chat completions."],
      [
        "ANTHROPIC_API_KEY, GOOGLE_API_KEY",
        "Anthropic; Google. With no key at all: the demo model.",
      ],
    ])
  }`;
}

function table(rows: (readonly [string, string])[]): string {
  return rows.map(([name, text]) => `  ${name.padEnd(34)} ${text}`).join("\n");
}
