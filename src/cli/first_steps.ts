/** What whoever starts Parley needs to know to use it. */
import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { UsageError } from "../domain/errors.ts";
import { newSecret } from "../domain/token.ts";
import { exists } from "../store/path.ts";
import type { TokenStore } from "../store/tokens.ts";
import { ensureDataDir } from "./data_dir.ts";

/**
 * Makes the first token, for the local user, in a file in the data folder, unless users have other
 * tokens. Resolves to the commands and pages to begin with, in lines, for a server at `where`.
 */
export async function firstSteps(
  config: Config,
  tokens: TokenStore,
): Promise<(where: string) => string[]> {
  const path = `${config.dataDir}/token`;
  const lines: string[] = [];
  let header: string | undefined;
  if (Object.keys(config.tokens).length === 0 && config.coderUrl === undefined) {
    if (!exists(path) && (await tokens.list()).length === 0) {
      await makeToken(path, tokens);
      lines.push(`A token was made for the user "local", in ${path}.`);
    }
    if (await isValid(path, tokens)) {
      header = `-H "Coder-Session-Token: $(cat ${quoted(path)})"`;
    } else {
      // Nothing may overwrite the file: it may be the only copy of a token for another database.
      if (exists(path)) {
        lines.push(
          `The token in ${path} is not valid here: it was revoked or changed, or is another database's.`,
        );
      }
      lines.push(`To make a token: parley token create --data ${quoted(config.dataDir)}`);
    }
  }
  return (where) => [...lines, ...begin(where, header)];
}

/** A command that works as it is, and the reference page. */
function begin(where: string, header: string | undefined): string[] {
  const socket = /^unix:(.*)$/.exec(where)?.[1];
  // All addresses include this one.
  const url = where.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
  const target = socket === undefined ? url : `--unix-socket ${quoted(socket)} http://localhost`;
  return [
    ...header === undefined ? [] : [`Try it: curl ${header} ${target}/api/v2/deployment/llms`],
    ...socket === undefined ? [`The API reference: ${url}/docs`] : [],
  ];
}

async function makeToken(path: string, tokens: TokenStore): Promise<void> {
  const secret = newSecret();
  ensureDataDir(dirname(path));
  const made = { secret, name: "first", username: "local", expiresAt: null };
  const { id } = await tokens.create(made);
  try {
    Deno.writeTextFileSync(path, `${secret}\n`, { mode: 0o600 });
    Deno.chmodSync(path, 0o600);
  } catch (error) {
    await tokens.revoke(id);
    throw new UsageError(`Cannot write the token to ${path}: ${(error as Error).message}`);
  }
}

/** True if the file has a token that the server accepts. */
async function isValid(path: string, tokens: TokenStore): Promise<boolean> {
  const secret = readText(path);
  return secret !== undefined && await tokens.authenticate(secret) !== undefined;
}

/** A file's text as `$(cat …)` gives it; undefined if it cannot be read. */
function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).replace(/\n+$/, "");
  } catch {
    return undefined;
  }
}

/** A path for a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
