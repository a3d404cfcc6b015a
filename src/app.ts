import { attemptStore } from "./store/attempts.ts";
import { Buckets } from "./store/buckets.ts";
import { chatStore } from "./store/chats.ts";
import type { Database } from "./store/database.ts";
import { eventStore } from "./store/events.ts";
import { fileStore } from "./store/files.ts";
import { FileHealth, remoteHealth } from "./store/health.ts";
import { leaseStore } from "./store/leases.ts";
import { messageStore } from "./store/messages.ts";
import { queueStore } from "./store/queue.ts";
import { runStore } from "./store/runs.ts";
import { sendKeyStore } from "./store/send_keys.ts";
import { openStorage, type Storage } from "./store/storage.ts";
import { TimeLimit } from "./store/time_limit.ts";
import { type TokenStore, tokenStore } from "./store/tokens.ts";
import { toolCallStore } from "./store/tool_calls.ts";
import { allowedHosts, type Config, secretsOf } from "./config/config.ts";
import { warnOfUnknown } from "./config/models.ts";
import { coderAuthenticator } from "./auth/coder.ts";
import { firstOf, staticAuthenticator } from "./auth/authenticators.ts";
import { type Clock, type IdGenerator, randomIds, systemClock } from "./domain/clock.ts";
import { Places } from "./domain/places.ts";
import type { StorageHealth, Stores } from "./domain/ports.ts";
import type { Toolbox } from "./domain/tool_ports.ts";
import { policiesOf } from "./domain/tool_policy.ts";
import type { Authenticator } from "./domain/principal.ts";
import { LongTurns, ShortTurns } from "./domain/turns.ts";
import type { App } from "./http/context.ts";
import { createHttp } from "./http/server.ts";
import { HeldBytes } from "./http/paced_body.ts";
import { BodyGate } from "./http/body_gate.ts";
import { OpenRequests } from "./models/open_requests.ts";
import { type ModelCall, modelCall } from "./models/call.ts";
import { modelCatalog } from "./models/catalog.ts";
import { ProviderHealth } from "./models/health.ts";
import { createLogger, type Logger } from "./observe/log.ts";
import { createMask } from "./observe/mask.ts";
import { Conversation, LOCAL_PAGE, REMOTE_PAGE } from "./runs/conversation.ts";
import { ChatFeed } from "./runs/feed.ts";
import { LeaseOwnership } from "./runs/leases.ts";
import { LockOwnership } from "./runs/ownership.ts";
import type { Parts } from "./runs/parts.ts";
import { Runs } from "./runs/runs.ts";
import { SystemPrompts } from "./runs/system_prompt.ts";
import { keepTidy } from "./runs/upkeep.ts";
import { instructionsIn, toolServers } from "./tools/servers.ts";
import { ServerToolbox } from "./tools/toolbox.ts";
import { VERSION } from "./version.ts";

/** What the program sets, or a test replaces. */
export interface Overrides {
  clock?: Clock;
  ids?: IdGenerator;
  feed?: ChatFeed;
  /** Writes a line of the log; by default there is none. */
  write?: (line: string) => void;
  /** Milliseconds between two words of the demo model. */
  demoPaceMs?: number;
  /** Wraps the stores. */
  stores?: (stores: Stores) => Stores;
  /** The environment of which tools get a few variables; by default, nothing. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** In place of the configured tools. */
  toolbox?: Toolbox;
  /** Wraps the requests to models. */
  call?: (call: ModelCall) => ModelCall;
}

/** A running Parley, without its listener. */
export interface Parley {
  app: App;
  log: Logger;
  tokens: TokenStore;
  /** Gives live runs `graceMs` milliseconds to end, stops those that are left, and ends all streams. */
  drain(graceMs: number): Promise<void>;
  /** Drains unless that was done, and closes the database. No request may come after it. */
  close(): Promise<void>;
}

/** The bytes of requests' bodies to hold at once. */
const BODIES = 20 * 1024 * 1024;

/** The largest answer that a remote database takes: the rest of its row is for metadata, in bytes. */
const REMOTE_ANSWER = 4_500_000;

/** The pace of the demo model's words, as of a fast reader, in milliseconds. */
const DEMO_PACE = 30;

/** How long to wait for a provider that cannot say which models it has, in milliseconds. */
const ASK_AGAIN = 60_000;

/**
 * Connects all parts.
 * @throws {UsageError} if the database cannot be used.
 */
export async function createApp(
  config: Config,
  migrations: string,
  overrides: Overrides = {},
): Promise<Parley> {
  const storage = await openStorage(
    { ...config.database, migrations },
    overrides.clock ?? systemClock,
  );
  try {
    return await connect(config, storage, overrides);
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function connect(config: Config, storage: Storage, overrides: Overrides): Promise<Parley> {
  const { clock = systemClock, ids = randomIds } = overrides;
  const { limits } = config;
  const { db, files } = storage;
  const isShared = files === undefined;
  const mask = createMask(secretsOf(config));
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    clock,
    mask,
    write: overrides.write ?? (() => {}),
  });
  const owner = ids.uuid();
  const health = files
    ? new FileHealth(db, files, (...line) => logger.log(...line), clock)
    : remoteHealth(db, clock);
  const stored = await storesOf(db, owner, isShared, health);
  const stores = new TimeLimit(clock).on(overrides.stores?.(stored) ?? stored);
  const tokens = tokenStore(db, clock, ids);
  const ownership = isShared
    ? new LeaseOwnership({ ...stores, clock, owner })
    : new LockOwnership(stores.leases, owner, clock);
  const feed = overrides.feed ?? new ChatFeed();
  const lines = { turns: new ShortTurns(), requests: new OpenRequests() };
  const providerHealth = new ProviderHealth();
  const catalog = modelCatalog({
    providers: config.providers,
    ...lines,
    clock,
    log: logger,
    mask,
    health: providerHealth,
    demoPaceMs: overrides.demoPaceMs ?? DEMO_PACE,
  });
  const asked = modelCall({
    ...lines,
    refusedUrls: config.refusedUrls,
    clock,
    mask,
    health: providerHealth,
    stallMs: limits.stallMs,
  });
  const call = overrides.call?.(asked) ?? asked;
  const conversation = new Conversation(
    stores.messages,
    stores.files,
    isShared ? REMOTE_PAGE : LOCAL_PAGE,
    limits.promptBytes,
  );
  const servers = await toolServers({
    ...config,
    isDemo: config.providers.every(({ type }) => type === "demo"),
    environment: overrides.environment ?? {},
    version: VERSION,
    clock,
    mask,
  });
  const ownTools = new ServerToolbox(servers, policiesOf(config.tools.policies));
  const toolbox = overrides.toolbox ?? ownTools;
  const parts: Parts = {
    ...stores,
    ownership,
    conversation,
    catalog,
    call,
    toolbox,
    toolSteps: config.tools.steps,
    approvalMs: config.tools.approvalMs,
    fileLimits: {
      perChat: limits.filesPerChat,
      perUser: limits.filesPerUser,
      bytes: limits.fileBytes,
    },
    feed,
    clock,
    ids,
    logger,
    titleModel: config.titleModel,
    systemPrompts: new SystemPrompts(
      config.systemPrompt,
      instructionsIn(config.workspace),
      stores.chats,
    ),
    chatBytes: limits.chatBytes,
    messageChars: limits.messageChars,
    storedAnswer: isShared ? REMOTE_ANSWER : Infinity,
    outputTokens: limits.outputTokens,
    retries: limits.retries,
    deadlineMs: limits.runMs,
    fallbacks: config.fallbacks,
    onInterrupt: config.onInterrupt,
    unattended: config.unattended,
    runLimits: limits.runs,
    queueLimits: limits.queue,
    durability: config.durability,
    logMs: limits.logMs,
  };
  const runs = new Runs(parts);
  runs.open();
  const upkeep = keepTidy(parts);
  const closing = new AbortController();
  const app = createHttp({
    ...stores,
    runs,
    conversation,
    toolbox,
    unattended: config.unattended,
    feed,
    prices: config.prices,
    busy: config.busy,
    refusedUrls: config.refusedUrls,
    defaultModel: config.defaultModel,
    catalog,
    authenticator: authenticators(config, tokens, clock),
    streams: new Places(limits.streams, "open streams"),
    held: new HeldBytes(),
    turns: new LongTurns(),
    bodies: new BodyGate(Math.max(BODIES, limits.bodyBytes, limits.fileBytes), clock),
    clock,
    ids,
    log: logger,
    limits,
    corsOrigins: config.corsOrigins,
    hosts: allowedHosts(config),
    closing: closing.signal,
    health,
  });
  warnOfUnknown(
    config.modelsToCheck,
    catalog,
    (line) => logger.log("warn", line),
    () => clock.sleep(ASK_AGAIN, closing.signal),
  );
  let drained: Promise<void> | undefined;
  const drain = (graceMs: number) =>
    drained ??= (async () => {
      upkeep.close();
      await runs.close(graceMs);
      await ownTools.close();
      closing.abort();
    })();
  let closed: Promise<void> | undefined;
  const close = () =>
    closed ??= (async () => {
      await drain(0);
      await storage.close();
    })();
  return { app, log: logger, tokens, drain, close };
}

async function storesOf(
  db: Database,
  owner: string,
  isShared: boolean,
  health: StorageHealth,
): Promise<Stores> {
  const buckets = new Buckets(db, { shared: isShared });
  // Read now, so that the first message does not wait for it.
  await buckets.current();
  return {
    attempts: attemptStore(db),
    chats: chatStore(db),
    disk: {
      async durable() {
        await db.durable();
        await health.check();
      },
    },
    events: eventStore(db, owner, buckets),
    files: fileStore(db),
    keys: sendKeyStore(db),
    leases: leaseStore(db),
    messages: messageStore(db),
    queue: queueStore(db),
    runs: runStore(db, buckets),
    toolCalls: toolCallStore(db, owner),
  };
}

function authenticators(config: Config, tokens: TokenStore, clock: Clock): Authenticator {
  return firstOf([
    staticAuthenticator(config.tokens),
    tokens,
    ...(config.coderUrl === undefined ? [] : [coderAuthenticator(config.coderUrl, clock)]),
  ]);
}
