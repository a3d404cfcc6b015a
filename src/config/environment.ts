/** Names of environment variables that Parley does not read, though they look like its own. */
import { UsageError } from "../domain/errors.ts";
import { meant } from "./given.ts";
import { PROVIDER_FIELDS, PROVIDER_PREFIXES } from "./providers.ts";
import { SETTINGS } from "./settings.ts";

/** Kubernetes describes a service called `parley` to every container by these. */
const KUBERNETES = /_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;

/**
 * Warnings about names that begin like Parley's: they may be another program's.
 * @throws {UsageError} at the first that is one of Parley's with a letter or two wrong.
 */
export function unknownNames(env: Record<string, string | undefined>): string[] {
  const settings = ["PARLEY_CONFIG", ...SETTINGS.map((setting) => setting.env)];
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!/^(PARLEY|CODER_AI_PROVIDER)_/i.test(name) || settings.includes(name)) continue;
    if (isProviderName(name) || KUBERNETES.test(name)) continue;
    if (/_PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value ?? "")) continue;
    const number = /\d+/.exec(name)?.[0] ?? "0";
    const providers = PROVIDER_PREFIXES.flatMap((prefix) =>
      PROVIDER_FIELDS.map((field) => `${prefix}${Number(number)}_${field.toUpperCase()}`)
    );
    const near = meant(name, [...settings, ...providers]);
    if (near !== "") throw new UsageError(`Unknown environment variable ${name}${near}`);
    warnings.push(`Unknown environment variable ${name}: it has no effect`);
  }
  return warnings;
}

function isProviderName(name: string): boolean {
  const prefix = PROVIDER_PREFIXES.find((prefix) => name.startsWith(prefix));
  const field = /^(0|[1-9]\d*)_([A-Z_]+)$/.exec(name.slice(prefix?.length))?.[2];
  return prefix !== undefined && PROVIDER_FIELDS.some((known) => known.toUpperCase() === field);
}
