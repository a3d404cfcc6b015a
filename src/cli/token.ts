import type { Config } from "../config/config.ts";
import { randomIds, systemClock } from "../domain/clock.ts";
import { UsageError } from "../domain/errors.ts";
import { newSecret } from "../domain/token.ts";
import { filePath, openDatabase } from "../store/database.ts";
import { type TokenStore, tokenStore } from "../store/tokens.ts";
import { ensureDataDir } from "./data_dir.ts";
import type { World } from "./world.ts";

type Flags = Record<string, string | undefined>;

/** `parley token create|list|revoke`. */
export async function tokenCommand(
  [action, ...rest]: string[],
  flags: Flags,
  config: Config,
  world: World,
): Promise<number> {
  if (action !== "create" && action !== "list" && action !== "revoke") {
    throw new UsageError(
      `Expected parley token create, list or revoke, found ${action ?? "nothing"}.`,
    );
  }
  const unexpected = action === "revoke" ? rest[1] : rest[0];
  if (unexpected !== undefined) {
    throw new UsageError(`Unexpected "${unexpected}". See parley --help.`);
  }
  if (filePath(config.database.url) !== undefined) ensureDataDir(config.dataDir);
  const db = await openDatabase({ ...config.database, migrations: world.migrations });
  const tokens = tokenStore(db, systemClock, randomIds);
  try {
    if (action === "create") return await create(tokens, flags, world);
    if (action === "list") return await list(tokens, world);
    return await revoke(tokens, rest, world);
  } finally {
    await db.close();
  }
}

async function create(tokens: TokenStore, flags: Flags, world: World): Promise<number> {
  const secret = newSecret();
  const username = flags["user"] ?? "local";
  const name = flags["name"] ?? `token of ${username}`;
  await tokens.create({
    secret,
    name,
    username,
    expiresAt: flags["expires"] === undefined
      ? null
      : systemClock.now() + duration(flags["expires"]),
  });
  world.warn(`Token "${name}" of ${username}. It is shown this once:`);
  world.print(secret);
  return 0;
}

async function list(tokens: TokenStore, world: World): Promise<number> {
  for (const token of await tokens.list()) {
    const expires = token.expiresAt === null ? "never" : new Date(token.expiresAt).toISOString();
    const created = new Date(token.createdAt).toISOString();
    world.print(
      [token.id, token.username, created, `expires ${expires}`, token.name].join("\t"),
    );
  }
  return 0;
}

async function revoke(tokens: TokenStore, rest: string[], world: World): Promise<number> {
  const [idOrName] = rest;
  if (idOrName === undefined) throw new UsageError("Expected the id or name of a token.");
  const revoked = await tokens.revoke(idOrName);
  if (revoked === 0) throw new UsageError(`No token has the id or name "${idOrName}".`);
  world.print(`Revoked ${revoked}.`);
  return 0;
}

/** Milliseconds of `90s`, `30m`, `12h` or `30d`. */
function duration(text: string): number {
  const match = /^([1-9]\d{0,5})([smhd])$/.exec(text);
  if (!match) {
    throw new UsageError(`Invalid --expires: expected 90s, 30m, 12h or 30d, found "${text}"`);
  }
  const unit =
    { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as "s" | "m" | "h" | "d"];
  return Number(match[1]) * unit;
}
