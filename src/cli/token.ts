import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import { randomIds, systemClock } from "../domain/clock.ts";
import { UsageError } from "../domain/errors.ts";
import { isName, newSecret } from "../domain/token.ts";
import { openDatabase } from "../store/database.ts";
import { lockDatabase, type ServerLock } from "../store/lock.ts";
import { exists, filePath } from "../store/path.ts";
import { type TokenRecord, type TokenStore, tokenStore } from "../store/tokens.ts";
import { keepPrivate } from "./data_dir.ts";
import type { World } from "./world.ts";

type Flags = Record<string, string | boolean | undefined>;

/** What `parley token` can do. */
export type TokenAction = "create" | "list" | "revoke";

/** The most tokens to name in an error. */
const LISTED = 5;

/** `parley token create|list|revoke`. */
export async function tokenCommand(
  action: TokenAction,
  [idOrName]: string[],
  flags: Flags,
  config: Config,
  world: World,
): Promise<number> {
  const asked = action === "create" ? newToken(flags) : undefined;
  const path = filePath(config.database.url);
  if (path !== undefined) refuseMissing(path, action);
  const lock = path === undefined ? undefined : lockIfFree(path);
  try {
    // A running server may be of another version: its tables must stay as they are.
    const migrate = lock !== undefined;
    const { migrations } = world;
    const db = await openDatabase({ ...config.database, migrations, migrate });
    try {
      const tokens = tokenStore(db, systemClock, randomIds);
      if (asked) return await create(tokens, asked, world);
      if (action === "list") return await list(tokens, flags, world);
      return await revoke(tokens, idOrName, flags["user"], world);
    } finally {
      await db.close();
    }
  } finally {
    lock?.release();
  }
}

/** A misspelt folder must not become a new database. */
function refuseMissing(path: string, action: TokenAction): void {
  keepPrivate();
  if (!exists(dirname(path))) {
    throw new UsageError(
      `There is no folder ${
        dirname(path)
      }: start the server first, or give its folder with --data.`,
    );
  }
  if (action !== "create" && !exists(path)) {
    throw new UsageError(`There is no database ${path} yet: start the server first.`);
  }
}

/** The server's lock, or undefined while a server runs. */
function lockIfFree(path: string): ServerLock | undefined {
  try {
    return lockDatabase(path);
  } catch {
    // If the folder is the problem, opening the database says so.
    return undefined;
  }
}

type NewToken = Parameters<TokenStore["create"]>[0];

/** @throws {UsageError} if a flag is no good. */
function newToken({ user, name, expires }: Flags): NewToken {
  const username = String(user ?? "local");
  const token = { username, name: String(name ?? `token of ${username}`) };
  for (const [flag, value] of Object.entries({ user: token.username, name: token.name })) {
    if (isName(value)) continue;
    throw new UsageError(
      `Invalid --${flag}: expected 1 to 100 characters without space around them, found ` +
        JSON.stringify(value.slice(0, 100)),
    );
  }
  const expiresAt = expires === undefined ? null : systemClock.now() + duration(String(expires));
  return { ...token, secret: newSecret(), expiresAt };
}

async function create(tokens: TokenStore, token: NewToken, world: World): Promise<number> {
  await tokens.create(token);
  world.warn(`Token "${token.name}" of ${token.username}. It is shown this once:`);
  world.print(token.secret);
  return 0;
}

async function list(tokens: TokenStore, { json }: Flags, world: World): Promise<number> {
  const all = (await tokens.list()).map(({ id, username, name, createdAt, expiresAt }) => ({
    id,
    user: username,
    name,
    created_at: new Date(createdAt).toISOString(),
    expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    expired: expiresAt !== null && expiresAt <= systemClock.now(),
  }));
  if (json === true) {
    world.print(JSON.stringify(all, null, 2));
    return 0;
  }
  if (all.length === 0) world.warn("There are no tokens.");
  for (const { id, user, created_at, expires_at, expired, name } of all) {
    const end = `${expired ? "expired" : "expires"} ${expires_at ?? "never"}`;
    world.print([id, user, created_at, end, name].join("\t"));
  }
  return 0;
}

async function revoke(
  tokens: TokenStore,
  idOrName: string | undefined,
  user: Flags[string],
  world: World,
): Promise<number> {
  if (!idOrName) throw new UsageError("Expected the id of a token, or its name.");
  const ofUser = (await tokens.list()).filter(({ username }) =>
    user === undefined || username === user
  );
  const byId = ofUser.filter(({ id }) => id === idOrName);
  const [token, ...others] = byId.length > 0
    ? byId
    : ofUser.filter(({ name }) => name === idOrName);
  const what = /^parley_/.test(idOrName) ? "that secret" : `the id or name "${idOrName}"`;
  if (!token) throw new UsageError(`No token${user ? ` of ${user}` : ""} has ${what}.`);
  if (others.length > 0) throw ambiguous(idOrName, [token, ...others]);
  await tokens.revoke(token.id);
  world.print(`Revoked the token "${token.name}" of ${token.username}.`);
  return 0;
}

function ambiguous(name: string, found: TokenRecord[]): UsageError {
  const named = found.slice(0, LISTED).map(({ id, username }) => `${id} of ${username}`);
  const more = found.length > LISTED ? ` and ${found.length - LISTED} more` : "";
  const list = named.join(", ") + more;
  return new UsageError(`${found.length} tokens are called "${name}": give one's id (${list}).`);
}

/** The milliseconds of `90s`, `30m`, `12h` or `30d`. */
function duration(text: string): number {
  const units = new Map([["s", 1_000], ["m", 60_000], ["h", 3_600_000], ["d", 86_400_000]]);
  const [, count, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (units.get(unit) ?? NaN);
  if (!Number.isNaN(ms)) return ms;
  throw new UsageError(`Invalid --expires: expected 90s, 30m, 12h or 30d, found "${text}"`);
}
