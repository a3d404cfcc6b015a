/** Tokens, from the command line to the running server, and those of a Coder deployment. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { startParley } from "../kit/parley.ts";
import { runParley, spawnParley } from "../kit/process.ts";
import { clientOf, eventually, statusOf } from "./client.ts";

/** What the server answers to a request with that token. */
function meAs(url: string, token: string | null): Promise<Response> {
  return clientOf(url, token).ask("GET", "/api/v2/users/me");
}

Deno.test("tokens are made, listed and revoked beside a running server", async (t) => {
  await using server = await spawnParley();
  const { url, dataDir } = server;
  const first = (await Deno.readTextFile(`${dataDir}/token`)).trim();
  const parley = async (...args: string[]) => {
    const { code, stdout, stderr } = await runParley({ args: [...args, "--data", dataDir] });
    assertEquals(code, 0, stderr);
    return { stdout, stderr };
  };
  let secret = "";

  await t.step("create prints the secret alone, and the server takes it", async () => {
    const args = ["--name", "laptop", "--user", "alice", "--expires", "30d"];
    const { stdout, stderr } = await parley("token", "create", ...args);
    assertMatch(stdout, /^parley_[\w-]{43}\n$/);
    assertStringIncludes(stderr, "laptop");
    secret = stdout.trim();
    assert(!stderr.includes(secret));
    assertEquals((await (await meAs(url, secret)).json()).username, "alice");
    assertEquals((await (await meAs(url, first)).json()).username, "local");
  });

  await t.step("list shows names, users and times, no secrets", async () => {
    const { stdout } = await parley("token", "list");
    const rows = stdout.trim().split("\n").map((row) => row.split("\t"));
    assertEquals(rows.map(([, user, , , name]) => [user, name]), [
      ["local", "first"],
      ["alice", "laptop"],
    ]);
    assertEquals(rows[0]![3], "expires never");
    const inDays = (Date.parse(rows[1]![3]!.replace("expires ", "")) - Date.now()) / 86_400_000;
    assertEquals(Math.round(inDays), 30);
    assert(!stdout.includes(secret) && !stdout.includes(first));
  });

  await t.step("no file but that of the first token holds a secret, and no log line", () => {
    for (const { name } of Deno.readDirSync(dataDir)) {
      const content = new TextDecoder("latin1").decode(Deno.readFileSync(`${dataDir}/${name}`));
      assert(!content.includes(secret), `the token is in ${name}`);
      assertEquals(content.includes(first), name === "token", `the first token, in ${name}`);
    }
    assert(!server.stderr.includes(secret) && !server.stderr.includes(first));
  });

  await t.step("revoke ends it at once", async () => {
    await parley("token", "revoke", "laptop");
    const refused = await meAs(url, secret);
    assertEquals(refused.status, 401);
    assertEquals(
      (await refused.json()).detail,
      "The token is unknown, expired or revoked.",
    );
    assertEquals(await statusOf(meAs(url, first)), 200);
    assert(!(await parley("token", "list")).stdout.includes("laptop"));
  });

  await t.step("an expired one is refused", async () => {
    const { stdout } = await parley("token", "create", "--expires", "2s");
    assertEquals(await statusOf(meAs(url, stdout.trim())), 200);
    await eventually(
      "it expires",
      async () => await statusOf(meAs(url, stdout.trim())) === 401 || undefined,
    );
  });

  await t.step("and so is none, or another", async () => {
    for (const token of [null, "parley_unknown"]) {
      assertEquals(await statusOf(meAs(url, token)), 401);
    }
  });
});

Deno.test("one user's chats are not another's", async () => {
  await using server = await spawnParley({
    env: { PARLEY_TOKENS: "alice=alice-secret, bob=bob-secret" },
  });
  const chat = await clientOf(server.url, "alice-secret").newChat();
  const bob = clientOf(server.url, "bob-secret");
  assertEquals(await (await bob.ask("GET", "/api/v2/chats")).json(), []);
  for (const path of [chat, `${chat}/messages`]) {
    assertEquals(await statusOf(bob.ask("GET", `/api/v2/chats/${path}`)), 404);
  }
});

interface FakeCoder extends AsyncDisposable {
  url: string;
  /** How often it was asked about each token. */
  asked: Record<string, number>;
}

/** A Coder deployment that knows the tokens of two users, and fails where a third one asks. */
function startCoder(): FakeCoder {
  const users: Record<string, string> = { "carol-session": "carol", "dave-session": "dave" };
  const ids = { carol: crypto.randomUUID(), dave: crypto.randomUUID() };
  const asked: Record<string, number> = {};
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const token = request.headers.get("coder-session-token") ?? "";
    asked[token] = (asked[token] ?? 0) + 1;
    if (new URL(request.url).pathname !== "/api/v2/users/me") {
      return new Response(null, { status: 404 });
    }
    if (token === "broken-session") return new Response("Bad Gateway", { status: 502 });
    const username = users[token] as keyof typeof ids | undefined;
    return username === undefined
      ? Response.json({ message: "You are signed out" }, { status: 401 })
      : Response.json({ id: ids[username], username, email: `${username}@example.com` });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("a Coder deployment's users own their chats by their session tokens", async (t) => {
  await using coder = startCoder();
  await using server = await spawnParley({ env: { PARLEY_CODER_URL: `${coder.url}/` } });
  const carol = clientOf(server.url, "carol-session");
  const dave = clientOf(server.url, "dave-session");

  await t.step("no token is made where a deployment gives them", () => {
    assert(!server.stderr.includes("token"), server.stderr);
  });

  await t.step("a good one is asked about once, and its user owns what it makes", async () => {
    const chat = await carol.newChat({ title: "Mine" });
    for (let n = 0; n < 5; n++) assertEquals(await carol.title(chat), "Mine");
    assertEquals(coder.asked["carol-session"], 1);
    assertEquals(await statusOf(dave.ask("GET", `/api/v2/chats/${chat}`)), 404);
  });

  await t.step("a bad one is 401, and asked about each time", async () => {
    const nobody = clientOf(server.url, "nobody-session");
    for (let n = 0; n < 2; n++) {
      assertEquals(await statusOf(nobody.ask("GET", "/api/v2/chats")), 401);
    }
    assertEquals(coder.asked["nobody-session"], 2);
  });

  await t.step("a deployment that fails is 502, and nothing of its answer is told", async () => {
    const refused = await clientOf(server.url, "broken-session").ask("GET", "/api/v2/chats");
    assertEquals(refused.status, 502);
    assertEquals(Object.keys(await refused.json()).sort(), ["detail", "message"]);
  });

  await t.step("a deployment that is gone is 502, but not for whom it has vouched", async () => {
    await coder[Symbol.asyncDispose]();
    const eve = clientOf(server.url, "eve-session");
    assertEquals(await statusOf(eve.ask("GET", "/api/v2/chats")), 502);
    assertEquals(await statusOf(carol.ask("GET", "/api/v2/chats")), 200);
  });

  await t.step("no session token is in the log", () => {
    assert(!/\w+-session/.test(server.stderr), server.stderr);
  });
});

Deno.test("a Coder session is believed for 60 seconds", async () => {
  await using coder = startCoder();
  let ahead = 0;
  await using server = await startParley({
    env: { PARLEY_CODER_URL: coder.url },
    clock: { ...systemClock, elapsed: () => systemClock.elapsed() + ahead },
  });
  const ask = async () => {
    assertEquals(await statusOf(meAs(server.url, "dave-session")), 200);
    return coder.asked["dave-session"];
  };
  assertEquals(await ask(), 1);
  ahead = 59_000;
  assertEquals(await ask(), 1);
  ahead = 61_000;
  assertEquals(await ask(), 2);
});
