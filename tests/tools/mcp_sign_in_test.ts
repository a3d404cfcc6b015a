/** Servers that want OAuth: somebody signs in once, and the tokens are kept and renewed. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { oauthPair } from "../kit/mcp/oauth.ts";
import { call, until, withServer } from "../kit/mcp/server.ts";
import { FakeClock } from "../kit/clock.ts";

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(`${folder}/mcp`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const redirectUrl = "http://127.0.0.1:4320/mcp/sign-in";

Deno.test("somebody signs in, the tokens are kept and renewed, by one request at a time", () =>
  withFolder(async (folder) => {
    await using pair = oauthPair();
    const target = { url: pair.url, type: "http" as const, headers: { "X-Mine": "yes" } };
    const signIn = { folder, redirectUrl };
    await withServer(target, async (server) => {
      assertEquals(await server.tools(), []);
      assertMatch(server.status.error!, /waits until somebody signs in\.$/);
      const page = server.signIn!.url!;
      const { searchParams } = new URL(page);
      assertEquals(searchParams.get("redirect_uri"), redirectUrl);
      assertEquals(searchParams.get("code_challenge_method"), "S256");
      assertEquals(searchParams.get("resource"), pair.url);
      // Nobody else's answer is taken.
      const forged = new URLSearchParams({ code: "x", state: "y" });
      await assertRejects(() => server.finishSignIn(forged), Error, "Nobody waits");
      await server.finishSignIn(pair.approve(page));
      await until(() => server.status.status === "ready");
      assertEquals(server.signIn!.url, undefined);
      assertEquals(await call(server, "echo", { text: "hi" }), { output: "hi" });
      // All of them meet the end of the token, and one asks for another.
      pair.expire();
      const calls = Array.from({ length: 5 }, () => call(server, "echo", { text: "on" }));
      assertEquals(await Promise.all(calls), Array(5).fill({ output: "on" }));
      assertEquals(pair.grants, ["authorization_code", "refresh_token"]);
    }, { signIn });
    const file = `${folder}/s.json`;
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o700);
    assertEquals([...Deno.readDirSync(folder)].length, 1);
    assertEquals(pair.leaked, []);
    // The next process need not ask again.
    await withServer(target, async (server) => {
      assert((await server.tools()).length > 0);
    }, { signIn });
    // Nor does another server get the tokens, though it has the name now.
    await using other = oauthPair();
    await withServer({ ...target, url: other.url }, async (server) => {
      assertEquals(await server.tools(), []);
      assert(server.signIn!.url!.startsWith(new URL(other.url).origin));
      assertEquals(other.grants, []);
    }, { signIn });
  }));

Deno.test("a page to sign in at stays the same for a while, and a refusal leads to a new one", () =>
  withFolder(async (folder) => {
    const clock = new FakeClock();
    await using pair = oauthPair();
    const target = { url: pair.url, type: "http" as const, headers: {} };
    await withServer(target, async (server) => {
      await server.tools();
      const page = server.signIn!.url!;
      const again = async (ms: number) => {
        await until(() => server.status.status === "failed");
        await clock.sleeping(ms);
        clock.advance(ms);
      };
      await again(1_000);
      await clock.sleeping(2_000);
      assertEquals(server.signIn!.url, page);
      const state = new URL(page).searchParams.get("state")!;
      const refusal = new URLSearchParams({ error: "access_denied", state });
      await assertRejects(() => server.finishSignIn(refusal), Error, "access_denied");
      await until(() => (server.signIn!.url ?? page) !== page);
      await server.finishSignIn(pair.approve(server.signIn!.url!));
      await until(() => server.status.status === "ready");
      // What cannot be renewed needs somebody again.
      pair.revoke();
      const result = await call(server, "echo", { text: "x" });
      assert("errorText" in result);
      await until(() => server.signIn!.url !== undefined);
    }, { clock, signIn: { folder, redirectUrl } });
  }));

Deno.test("a server whose token is configured has no other sign-in", () =>
  withFolder(async (folder) => {
    await using pair = oauthPair();
    const headers = { authorization: "Bearer wrong" };
    await withServer({ url: pair.url, type: "http", headers }, async (server) => {
      assertEquals(await server.tools(), []);
      assertEquals(server.signIn, undefined);
      assertMatch(server.status.error!, /\(401\): it may use OAuth/);
    }, { signIn: { folder, redirectUrl } });
  }));
