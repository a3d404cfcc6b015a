/** Two Parleys on one database: what one of them asks, either can be answered, and the call runs once. */
import { assertEquals, assertMatch } from "@std/assert";
import { startProvider } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { answer, approvalsOf, asking, follow } from "../runs/approvals_kit.ts";

Deno.test("an approval is asked for by one server, and answered at both at once", async () => {
  await using stack = new AsyncDisposableStack();
  const db = stack.use(await startRemoteDatabase());
  const provider = await startProvider();
  stack.defer(() => provider.close());
  provider.script(asking({ name: "test__act" }));
  const ran: string[] = [];
  const open = async (name: string) => {
    const act = { run: () => ({ output: `acted at ${name} ${ran.push(name)}` }) };
    const toolbox = testToolbox({ act }, []);
    return stack.use(await startScripted({ provider, toolbox, env: db.env }));
  };
  const [a, b] = [await open("a"), await open("b")];
  for (let round = 0; round < 5; round++) {
    const chat = await a.chat();
    await (await a.send(chat, "Go")).text();
    const [approval] = await approvalsOf(b);
    assertEquals(await approvalsOf(a), [approval!]);
    const answers = await Promise.all(
      [a, b].map((server) => answer(server, approval!.id, { approved: true })),
    );
    assertEquals(answers.map(({ status }) => status).sort(), [200, 409]);
    const { run } = answers.find(({ status }) => status === 200)!.body;
    await follow(b, run);
    assertEquals(ran.length, round + 1);
    assertMatch((await b.history(chat))[1]!.content, /^acted at [ab]/);
    assertEquals(await approvalsOf(a), []);
  }
});
