import type {
  AuthProvider,
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import type { Clock } from "../../domain/clock.ts";
import { Flood, MessageBounds } from "./bounds.ts";
import { boundedBody } from "./bounded_body.ts";

/** What is needed for people to sign Parley in to servers that want OAuth. */
export interface SignInParts {
  /** The folder for the tokens. Made if missing. */
  folder: string;
  /** The URL at Parley that a browser comes back to, with the answer as its query. */
  redirectUrl: string;
}

/** What is kept of a sign-in. */
interface Kept {
  /** Tokens of one server are never sent to another, though it has the same name now. */
  serverUrl: string;
  client?: StoredOAuthClientInformation | undefined;
  tokens?: StoredOAuthTokens | undefined;
  discovery?: OAuthDiscoveryState | undefined;
}

type Sdk = typeof import("@modelcontextprotocol/client");

/** How long a page to sign in at is kept while nobody does, in milliseconds. */
const PATIENCE = 600_000;

/** How long a server may take for a request about tokens, in milliseconds. */
const REQUEST = 30_000;

/** Parley's sign-in at one server by OAuth, for all users. */
export class SignIn implements OAuthClientProvider {
  readonly redirectUrl: string;
  readonly #file: string;
  #kept: Kept;
  #waiting: { url: string; since: number } | undefined;
  #state: string | undefined;
  #verifier = "";
  #asking: Promise<string> | undefined;

  constructor(
    private readonly parts: SignInParts,
    name: string,
    private readonly serverUrl: string,
    private readonly clock: Clock,
  ) {
    this.redirectUrl = parts.redirectUrl;
    this.#file = `${parts.folder}/${name}.json`;
    this.#kept = read(this.#file, serverUrl);
  }

  /** Where somebody has to sign in; undefined if nobody has to. */
  get url(): string | undefined {
    return this.#waiting?.url;
  }

  /** True for the `state` of the answer that it waits for. */
  awaits(state: string | null): boolean {
    return state !== null && state === this.#state;
  }

  /** How a transport gets tokens: one request for them at a time, since each may end the former ones. */
  provider(sdk: Sdk): AuthProvider {
    return {
      token: () => Promise.resolve(this.#kept.tokens?.access_token),
      onUnauthorized: async ({ response }) => {
        const isOpen = this.#waiting !== undefined &&
          this.clock.elapsed() - this.#waiting.since < PATIENCE;
        // Another page would make the one useless that somebody may look at.
        if (isOpen) throw new sdk.UnauthorizedError();
        const { resourceMetadataUrl, scope } = sdk.extractWWWAuthenticateParams(response);
        this.#asking ??= sdk.auth(this, {
          ...this.#request(),
          ...resourceMetadataUrl && { resourceMetadataUrl },
          ...scope !== undefined && { scope },
        }).finally(() => this.#asking = undefined);
        if (await this.#asking !== "AUTHORIZED") throw new sdk.UnauthorizedError();
      },
    };
  }

  /**
   * Takes the answer that a browser brought. @throws {Error} if it is not one that was waited for, or a
   * refusal.
   */
  async finish(answer: URLSearchParams): Promise<void> {
    if (!this.awaits(answer.get("state"))) throw new Error("Nobody waits for this sign-in.");
    this.#state = undefined;
    this.#waiting = undefined;
    const [code, error, iss] = ["code", "error", "iss"].map((name) => answer.get(name));
    if (!code) throw new Error(`The sign-in was refused: ${error ?? "there is no code"}.`);
    const { auth } = await import("@modelcontextprotocol/client");
    await auth(this, { ...this.#request(), authorizationCode: code, ...iss && { iss } });
  }

  get clientMetadata(): OAuthClientMetadata {
    return {
      client_name: "Parley",
      redirect_uris: [this.redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  state(): string {
    return this.#state = crypto.randomUUID();
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.#kept.client;
  }

  saveClientInformation(client: StoredOAuthClientInformation): Promise<void> {
    return this.#keep({ client });
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.#kept.tokens;
  }

  async saveTokens(tokens: StoredOAuthTokens): Promise<void> {
    // A server that gives no new token for the next time keeps the old one.
    const refresh = tokens.refresh_token ?? this.#kept.tokens?.refresh_token;
    await this.#keep({
      tokens: { ...tokens, ...refresh !== undefined && { refresh_token: refresh } },
    });
    this.#waiting = undefined;
  }

  redirectToAuthorization(url: URL): void {
    this.#waiting = { url: url.href, since: this.clock.elapsed() };
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  saveDiscoveryState(discovery: OAuthDiscoveryState): Promise<void> {
    return this.#keep({ discovery });
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#kept.discovery;
  }

  invalidateCredentials(
    scope: "all" | "client" | "tokens" | "verifier" | "discovery",
  ): Promise<void> {
    const is = (one: typeof scope) => scope === one || scope === "all";
    return this.#keep({
      ...is("client") && { client: undefined },
      ...is("tokens") && { tokens: undefined },
      ...is("discovery") && { discovery: undefined },
    });
  }

  /** Its requests have none of the server's `headers`: they go to others too. */
  #request() {
    const fetchFn = async (url: string | URL, init?: RequestInit) => {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST) });
      return boundedBody(response, new MessageBounds("end", new Flood(this.clock)));
    };
    return { serverUrl: this.serverUrl, fetchFn };
  }

  async #keep(changes: Partial<Kept>): Promise<void> {
    this.#kept = { ...this.#kept, ...changes };
    await Deno.mkdir(this.parts.folder, { recursive: true, mode: 0o700 });
    // The mode is that of a new file alone, and half a file would lose the sign-in.
    const next = `${this.#file}.${crypto.randomUUID()}`;
    await Deno.writeTextFile(next, JSON.stringify(this.#kept), { mode: 0o600, createNew: true });
    await Deno.rename(next, this.#file);
  }
}

function read(file: string, serverUrl: string): Kept {
  try {
    const kept: Kept = JSON.parse(Deno.readTextFileSync(file));
    if (kept.serverUrl === serverUrl) return kept;
  } catch {
    // Nobody has signed in.
  }
  return { serverUrl };
}
