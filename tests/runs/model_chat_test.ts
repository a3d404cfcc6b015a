/** P5, P9 and P12: any sequence of what people do to chats comes to what a plain model says. */
import fc from "fast-check";
import { COMMANDS, createChat, type Model, removeChat } from "./model_commands.ts";
import { countOf } from "../kit/random.ts";
import { World } from "./model_world.ts";

const SEQUENCES = countOf("PARLEY_SEQUENCES", 25);
const LENGTH = countOf("PARLEY_SEQUENCE_LENGTH", 30);

/** What a failure prints, to see it again: `PARLEY_SEED`, `PARLEY_PATH`, `PARLEY_REPLAY`. */
function again() {
  const [seed, path] = [Deno.env.get("PARLEY_SEED"), Deno.env.get("PARLEY_PATH")];
  return { ...(seed && { seed: Number(seed) }), ...(path && { path }) };
}

Deno.test(`${SEQUENCES} sequences of commands against the model of a chat`, async () => {
  const world = await World.start();
  const replayPath = Deno.env.get("PARLEY_REPLAY");
  const commands = fc.commands(COMMANDS, {
    maxCommands: LENGTH,
    size: "max",
    ...(replayPath && { replayPath }),
  });
  try {
    await fc.assert(
      fc.asyncProperty(commands, async (commands) => {
        const model: Model = { chats: [await createChat(world)], messages: 0 };
        try {
          await fc.asyncModelRun(() => ({ model, real: world }), commands);
        } finally {
          for (const chat of model.chats) await removeChat(chat, world).catch(() => {});
        }
      }),
      { numRuns: SEQUENCES, ...again() },
    );
  } finally {
    await world.close();
  }
});
