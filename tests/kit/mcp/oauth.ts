/** An MCP server that wants OAuth, and the authorization server that it trusts, at one address. */
import { newEraHttp } from "./new_era.ts";

/** A running pair of them. */
export interface OAuthPair {
  url: string;
  /** The requests for tokens, by their kind of grant. */
  grants: string[];
  /** The `Authorization` headers that came to the authorization server. */
  leaked: string[];
  /** Makes all access tokens invalid. */
  expire(): void;
  /** Makes the tokens to get others with invalid too. */
  revoke(): void;
  /** What a browser does at a page to sign in at: gives the query that it comes back with. */
  approve(page: string): URLSearchParams;
  [Symbol.asyncDispose](): Promise<void>;
}

const encode = (bytes: ArrayBuffer) =>
  new Uint8Array(bytes).toBase64({ alphabet: "base64url", omitPadding: true });

export function oauthPair(): OAuthPair {
  const mcp = newEraHttp(() => {});
  const codes = new Map<string, string>();
  const grants: string[] = [];
  const leaked: string[] = [];
  let [access, refresh] = ["", ""];
  const http = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, respond);
  const origin = `http://127.0.0.1:${http.addr.port}`;

  async function token(form: URLSearchParams): Promise<Response> {
    const grant = form.get("grant_type")!;
    grants.push(grant);
    const challenge = encode(
      await crypto.subtle.digest(
        "SHA-256",
        new TextEncoder().encode(form.get("code_verifier") ?? ""),
      ),
    );
    const isGood = grant === "refresh_token"
      ? refresh !== "" && form.get("refresh_token") === refresh
      : codes.get(form.get("code")!) === challenge;
    if (!isGood) return Response.json({ error: "invalid_grant" }, { status: 400 });
    // Each token to get others with is good for once.
    [access, refresh] = [`a-${crypto.randomUUID()}`, `r-${crypto.randomUUID()}`];
    return Response.json({ access_token: access, refresh_token: refresh, token_type: "Bearer" });
  }

  async function respond(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const authorization = request.headers.get("authorization");
    if (pathname !== "/mcp" && authorization !== null) leaked.push(authorization);
    switch (pathname) {
      case "/mcp":
        if (access !== "" && authorization === `Bearer ${access}`) return mcp.fetch(request);
        await request.body?.cancel();
        return new Response(null, {
          status: 401,
          headers: {
            "www-authenticate":
              `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`,
          },
        });
      case "/.well-known/oauth-protected-resource/mcp":
        return Response.json({ resource: `${origin}/mcp`, authorization_servers: [origin] });
      case "/.well-known/oauth-authorization-server":
        return Response.json({
          issuer: origin,
          authorization_endpoint: `${origin}/authorize`,
          token_endpoint: `${origin}/token`,
          registration_endpoint: `${origin}/register`,
          response_types_supported: ["code"],
          code_challenge_methods_supported: ["S256"],
          token_endpoint_auth_methods_supported: ["none"],
        });
      case "/register":
        return Response.json({ ...await request.json(), client_id: "parley" }, { status: 201 });
      case "/token":
        return token(new URLSearchParams(await request.text()));
    }
    return new Response(null, { status: 404 });
  }

  return {
    url: `${origin}/mcp`,
    grants,
    leaked,
    expire: () => void (access = ""),
    revoke: () => void ([access, refresh] = ["", ""]),
    approve(page) {
      const { searchParams } = new URL(page);
      const code = crypto.randomUUID();
      codes.set(code, searchParams.get("code_challenge")!);
      return new URLSearchParams({ code, state: searchParams.get("state")! });
    },
    async [Symbol.asyncDispose]() {
      await mcp.close();
      await http.shutdown();
    },
  };
}
