import type { Context, Hono } from "hono";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import type { Unattended } from "../domain/approval.ts";
import type { BusyPolicy, RefusedUrls } from "../domain/policies.ts";
import type { Places } from "../domain/places.ts";
import type {
  AttemptStore,
  ChatStore,
  FileStore,
  MessageStore,
  StorageHealth,
} from "../domain/ports.ts";
import type { Toolbox, ToolCallStore } from "../domain/tool_ports.ts";
import type { Turns } from "../domain/turns.ts";
import type { Authenticator, Principal } from "../domain/principal.ts";
import type { Price } from "../domain/usage.ts";
import type { Limits } from "../config/config.ts";
import type { ModelCatalog } from "../models/catalog.ts";
import type { Logger } from "../observe/log.ts";
import type { ChatFeed } from "../runs/feed.ts";
import type { Conversation } from "../runs/conversation.ts";
import type { Runs } from "../runs/runs.ts";
import type { Connection, HeldBytes } from "./paced_body.ts";
import type { BodyGate } from "./body_gate.ts";

/** Everything that the endpoints need. */
export interface HttpParts {
  chats: ChatStore;
  messages: MessageStore;
  conversation: Conversation;
  files: FileStore;
  runs: Runs;
  attempts: AttemptStore;
  toolbox: Toolbox;
  toolCalls: ToolCallStore;
  /** What becomes of calls that need a yes in a send that does not say. */
  unattended: Unattended;
  feed: ChatFeed;
  prices: Readonly<Record<string, Price>>;
  /** URLs of files that a message may not have. */
  refusedUrls: RefusedUrls;
  /** The default policy for a message to a chat that is answering. */
  busy: BusyPolicy;
  catalog: ModelCatalog;
  /** The model of a request that names none; by default the first in the catalog. */
  defaultModel: string | undefined;
  authenticator: Authenticator;
  streams: Places;
  held: HeldBytes;
  /** Taken by long responses for each part of their work. */
  turns: Turns;
  bodies: BodyGate;
  clock: Clock;
  ids: IdGenerator;
  log: Logger;
  limits: Limits;
  corsOrigins: string[];
  /** Host names that a request may give; undefined if any is allowed. */
  hosts: ReadonlySet<string> | undefined;
  /** Aborted when the server is about to stop: streams that never end are closed. */
  closing: AbortSignal;
  health: StorageHealth;
}

/** What a request comes with, and the values that the middleware sets for the endpoints. */
export interface Env {
  Bindings: {
    /** Its connection, unless a test asks without one. */
    connection?: Connection;
  };
  Variables: {
    requestId: string;
    principal: Principal;
    /** Resolves to whether the token still belongs to the user, or may: if nobody can tell, it does. */
    isSignedIn: () => Promise<boolean>;
    /** Gives back what the request holds; called when it has been handled. */
    handled?: () => void;
  };
}

/** The app that routes are added to. */
export type App = Hono<Env>;

/** A request on its way. */
export type RequestContext = Context<Env>;
