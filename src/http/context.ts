import type { Context, Hono } from "hono";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import type { BusyPolicy } from "../domain/policies.ts";
import type { ChatStore, FileStore, Ledger, MessageStore } from "../domain/ports.ts";
import type { Authenticator, Principal } from "../domain/principal.ts";
import type { Price } from "../domain/usage.ts";
import type { Limits } from "../config/config.ts";
import type { ModelCatalog } from "../models/catalog.ts";
import type { Logger } from "../observe/log.ts";
import type { ChatFeed } from "../runs/feed.ts";
import type { Runs } from "../runs/runs.ts";
import type { StreamGate } from "./stream_gate.ts";

/** What the routes need. */
export interface HttpParts {
  chats: ChatStore;
  messages: MessageStore;
  files: FileStore;
  runs: Runs;
  ledger: Ledger;
  feed: ChatFeed;
  prices: Readonly<Record<string, Price>>;
  /** What a message meets while its chat is answering, where the request does not say. */
  busy: BusyPolicy;
  catalog: ModelCatalog;
  /** The model of a request that names none; the first one where this is undefined. */
  defaultModel: string | undefined;
  authenticator: Authenticator;
  streams: StreamGate;
  clock: Clock;
  ids: IdGenerator;
  log: Logger;
  limits: Limits;
  corsOrigins: string[];
  /** Host names that a request may give; undefined where any may be. */
  hosts: ReadonlySet<string> | undefined;
  /** Aborted when the server is about to stop: streams that never end are closed. */
  closing: AbortSignal;
  /** Resolves when the database answers. */
  ping: () => Promise<unknown>;
}

/** What the middleware leaves for the routes. */
export interface Env {
  Variables: { requestId: string; principal: Principal };
}

/** The app that routes are added to. */
export type App = Hono<Env>;

/** A request on its way. */
export type RequestContext = Context<Env>;
