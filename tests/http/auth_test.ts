import { assertEquals, assertMatch, assertNotMatch, assertStringIncludes } from "@std/assert";
import { newSecret } from "../../src/domain/token.ts";
import { FakeClock } from "../kit/clock.ts";
import { startParley, TOKENS } from "../kit/parley.ts";
import { request } from "../kit/request.ts";

Deno.test("a token is taken from the header, as bearer, and from the cookie", async () => {
  await using server = await startParley();
  const me = async (headers: Record<string, string>) => {
    const response = await request(server, "GET", "/api/v2/users/me", { token: null, headers });
    return [response.status, (await response.json()).username];
  };
  assertEquals(await me({ "coder-session-token": TOKENS.alice }), [200, "alice"]);
  assertEquals(await me({ authorization: `Bearer ${TOKENS.bob}` }), [200, "bob"]);
  assertEquals(await me({ cookie: `a=b; coder_session_token=${TOKENS.bob}` }), [200, "bob"]);
});

Deno.test("the cookie may change things from the server's own pages and allowed ones", async () => {
  await using server = await startParley({
    env: { PARLEY_CORS_ORIGINS: "https://app.example.com" },
  });
  const cookie = `coder_session_token=${TOKENS.alice}`;
  for (const origin of [server.url, "https://app.example.com"]) {
    const headers = { cookie, origin };
    const made = await request(server, "POST", "/api/v2/chats", { token: null, headers });
    assertEquals(made.status, 201);
    await made.body?.cancel();
  }
  const headers = { cookie, origin: "https://app.example.com.evil.example" };
  const refused = await request(server, "POST", "/api/v2/chats", { token: null, headers });
  assertEquals(refused.status, 403);
  await refused.body?.cancel();
});

Deno.test("CORS: allowed origins, and no others", async () => {
  await using server = await startParley({
    env: { PARLEY_CORS_ORIGINS: "https://app.example.com" },
  });
  const preflight = (origin: string) =>
    request(server, "OPTIONS", "/api/v2/chats", {
      token: null,
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "coder-session-token,idempotency-key",
      },
    });
  const allowed = await preflight("https://app.example.com");
  assertEquals(allowed.status, 204);
  assertEquals(allowed.headers.get("access-control-allow-origin"), "https://app.example.com");
  assertMatch(allowed.headers.get("access-control-allow-headers") ?? "", /Idempotency-Key/);
  const foreign = await preflight("https://evil.example");
  assertEquals(foreign.headers.get("access-control-allow-origin"), null);
});

Deno.test("stored tokens: only their hash is kept, and they expire and are revoked", async () => {
  const clock = new FakeClock();
  await using server = await startParley({ clock });
  const { tokens } = server.parley;
  const secret = newSecret();
  const expiresAt = clock.now() + 1_000;
  const { id } = await tokens.create({ secret, name: "t", username: "carol", expiresAt });
  const status = async () => {
    const response = await request(server, "GET", "/api/v2/users/me", { token: secret });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status(), 200);
  clock.advance(1_000);
  assertEquals(await status(), 401);
  const lasting = newSecret();
  const made = { secret: lasting, name: "lasting", username: "carol", expiresAt: null };
  const { id: lastingId } = await tokens.create(made);
  assertEquals((await tokens.list()).map(({ name }) => name), ["t", "lasting"]);
  assertEquals(await tokens.revoke("lasting"), false);
  assertEquals(await tokens.revoke(lastingId), true);
  assertEquals(await tokens.revoke(id), true);
  assertEquals(await tokens.revoke(id), false);
  const revoked = await request(server, "GET", "/api/v2/users/me", { token: lasting });
  assertEquals(revoked.status, 401);
  await revoked.body?.cancel();
  for (const file of ["parley.db", "parley.db-wal"]) {
    const bytes = new TextDecoder("latin1").decode(
      await Deno.readFile(`${server.dataDir}/${file}`),
    );
    assertNotMatch(bytes, new RegExp(`${secret}|${lasting}`));
  }
});

Deno.test("every response has a request id, and the log has one line for it", async () => {
  await using server = await startParley();
  const own = await request(server, "GET", "/api/v2/chats?limit=1", {
    headers: { "x-request-id": "my-request.1" },
  });
  await own.body?.cancel();
  assertEquals(own.headers.get("x-request-id"), "my-request.1");
  assertEquals(own.headers.get("x-content-type-options"), "nosniff");
  assertStringIncludes(own.headers.get("content-security-policy") ?? "", "default-src 'none'");
  const lines = server.logged.map((line) => JSON.parse(line));
  const [line, ...more] = lines.filter(({ request }) => request === "my-request.1");
  assertEquals(more, []);
  assertEquals(
    [line.message, line.method, line.path, line.status, line.user],
    ["request", "GET", "/api/v2/chats", 200, "alice"],
  );
  const forged = await request(server, "GET", "/healthz", {
    headers: { "x-request-id": "a b\u00e9" },
  });
  assertMatch(forged.headers.get("x-request-id") ?? "", /^[0-9a-f-]{36}$/);
  await forged.body?.cancel();
});
