import { filePath, openDatabase } from "./store/database.ts";
import { chatStore } from "./store/chats.ts";
import { fileStore } from "./store/files.ts";
import { ledger } from "./store/ledger.ts";
import { lockDatabase, type ServerLock } from "./store/lock.ts";
import { messageStore } from "./store/messages.ts";
import { queueStore } from "./store/queue.ts";
import { runStore } from "./store/runs.ts";
import { type TokenStore, tokenStore } from "./store/tokens.ts";
import { type Config, secretsOf } from "./config/config.ts";
import { coderAuthenticator } from "./auth/coder.ts";
import { firstOf, staticAuthenticator } from "./auth/authenticators.ts";
import { type Clock, type IdGenerator, randomIds, systemClock } from "./domain/clock.ts";
import type { RunStore } from "./domain/ports.ts";
import type { Authenticator } from "./domain/principal.ts";
import type { App } from "./http/context.ts";
import { createHttp } from "./http/server.ts";
import { StreamGate } from "./http/stream_gate.ts";
import { modelCall } from "./models/call.ts";
import { modelCatalog } from "./models/catalog.ts";
import { createLogger, type Logger } from "./observe/log.ts";
import { createMask } from "./observe/mask.ts";
import { ChatFeed } from "./runs/feed.ts";
import { Namer } from "./runs/namer.ts";
import { Runs } from "./runs/runs.ts";
import { keepTidy } from "./runs/upkeep.ts";

/** What a test may replace. */
export interface Overrides {
  clock?: Clock;
  ids?: IdGenerator;
  /** Takes the log lines. */
  write?: (line: string) => void;
  /** Milliseconds between two words of the demo model. */
  demoPaceMs?: number;
  /** Stands between runs and their store, for a bench of what the log costs. */
  runStore?: (store: RunStore) => RunStore;
}

/** A running Parley, without its listener. */
export interface Parley {
  app: App;
  log: Logger;
  tokens: TokenStore;
  /** Gives live runs that many milliseconds to end, stops them, and closes the database. */
  close(graceMs?: number): Promise<void>;
}

/** Words of the demo model come at the pace of a fast reader. */
const DEMO_PACE = 30;

/**
 * Wires all parts: the only place that knows them all.
 * @throws {UsageError} where the database cannot be used.
 */
export async function createApp(
  config: Config,
  migrations: string,
  overrides: Overrides = {},
): Promise<Parley> {
  const { clock = systemClock, ids = randomIds } = overrides;
  const mask = createMask(secretsOf(config));
  const log = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    clock,
    mask,
    write: overrides.write ?? writeToStderr,
  });
  const file = filePath(config.database.url);
  const lock: ServerLock | undefined = file === undefined ? undefined : await lockDatabase(file);
  const db = await openDatabase({ ...config.database, migrations }).catch((error) => {
    lock?.release();
    throw error;
  });

  const chats = chatStore(db);
  const messages = messageStore(db);
  const files = fileStore(db);
  const owner = ids.uuid();
  const isShared = file === undefined;
  const runRecords = (overrides.runStore ?? identity)(runStore(db, isShared ? owner : undefined));
  const tokens = tokenStore(db, clock, ids);
  const attempts = ledger(db);
  const feed = new ChatFeed();
  const catalog = modelCatalog({
    providers: config.providers,
    clock,
    log,
    demoPaceMs: overrides.demoPaceMs ?? DEMO_PACE,
  });
  const call = modelCall({ clock, mask, stallMs: config.limits.stallMs });
  const shared = { ledger: attempts, catalog, call, feed, clock, ids, log };
  const runs = new Runs({
    ...shared,
    messages,
    files,
    runs: runRecords,
    queue: queueStore(db),
    namer: new Namer({ ...shared, chats, titleModel: config.titleModel }),
    systemPrompt: config.systemPrompt,
    outputTokens: config.limits.outputTokens,
    retries: config.limits.retries,
    deadlineMs: config.limits.runMs,
    fallbacks: config.fallbacks,
    onInterrupt: config.onInterrupt,
    durability: config.durability,
    owner,
    shared: isShared,
  });
  try {
    await runs.recover();
  } catch (error) {
    await db.close();
    lock?.release();
    throw error;
  }
  runs.keepLeases();
  const upkeep = keepTidy({ runs: runRecords, ledger: attempts, clock, log, ...config.limits });
  const closing = new AbortController();
  const app = createHttp({
    chats,
    messages,
    files,
    runs,
    ledger: attempts,
    feed,
    prices: config.prices,
    busy: config.busy,
    defaultModel: config.defaultModel,
    catalog,
    authenticator: authenticators(config, tokens, clock),
    streams: new StreamGate(config.limits),
    clock,
    ids,
    log,
    limits: config.limits,
    corsOrigins: config.corsOrigins,
    hosts: allowedHosts(config),
    closing: closing.signal,
    ping: () => db.read("SELECT 1"),
  });
  return {
    app,
    log,
    tokens,
    async close(graceMs = 0) {
      upkeep.close();
      await runs.close(graceMs);
      closing.abort();
      await db.close();
      lock?.release();
    },
  };
}

function identity(store: RunStore): RunStore {
  return store;
}

function authenticators(config: Config, tokens: TokenStore, clock: Clock): Authenticator {
  return firstOf([
    staticAuthenticator(config.tokens),
    tokens,
    ...(config.coderUrl === undefined ? [] : [coderAuthenticator(config.coderUrl, clock)]),
  ]);
}

/** On loopback only names of this machine are good: any other was made by a foreign page's DNS. */
function allowedHosts({ listen, allowedHosts }: Config): ReadonlySet<string> | undefined {
  const loopback = ["localhost", "127.0.0.1", "[::1]"];
  if ("unix" in listen) return undefined;
  const isLoopback = /^(localhost|127\.|::1$)/.test(listen.host);
  return isLoopback
    ? new Set([...loopback, ...allowedHosts.map((h) => h.toLowerCase())])
    : undefined;
}

function writeToStderr(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}
