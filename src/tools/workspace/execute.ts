/** `execute` in the foreground: a command, its output and its end. */
import type { Clock } from "../../domain/clock.ts";
import { NOT_NEEDED } from "../../domain/clock.ts";
import type { Json, JsonObject } from "../../domain/json.ts";
import type { Outputs } from "./outputs.ts";
import type { Exit, Running, Shell } from "./shell.ts";
import { Transcript } from "./transcript.ts";

/** How much of the output is shown while a command runs, in bytes, and how often. */
const SHOWN = { bytes: 4_096, everyMs: 200, quick: 100, slowMs: 6_000 };

/** An output of which no more is kept comes more slowly, so that it does not keep the server busy. */
const FLOOD_PAUSE_MS = 2;

/** A command to wait for. */
export interface Foreground {
  command: string;
  chatId: string;
  timeoutMs: number;
  signal: AbortSignal;
  progress: (output: Json) => void;
}

/** What a command needs beside itself. */
export interface ExecuteParts {
  shell: Shell;
  outputs: Outputs;
  clock: Clock;
}

/** Runs a command to its end, its time limit or the signal. @throws {Problem} if it cannot be started. */
export async function execute(
  { command, chatId, timeoutMs, signal, progress }: Foreground,
  { shell, outputs, clock }: ExecuteParts,
): Promise<JsonObject> {
  const transcript = new Transcript();
  let isNew = false;
  const running = await shell.start(command, async (bytes) => {
    await transcript.take(bytes);
    isNew = true;
    if (transcript.isFull) await clock.sleep(FLOOD_PAUSE_MS);
  });
  const over = new AbortController();
  const shown = showing(
    () => {
      if (isNew && !signal.aborted) progress({ output: transcript.end(SHOWN.bytes) });
      isNew = false;
    },
    clock,
    over.signal,
  );
  const isLate = await endedInTime(running, timeoutMs, signal, clock);
  over.abort(NOT_NEEDED);
  await shown;
  if (signal.aborted) transcript.file?.close();
  const isKept = transcript.file !== undefined && !signal.aborted;
  const name = isKept ? outputs.keep(chatId, transcript.file!) : undefined;
  const limit = isLate ? { timed_out: true, timeout_seconds: timeoutMs / 1000 } : {};
  return { ...exitOf(await running.ended), ...limit, output: transcript.text(name) };
}

/** How a command ended, for the model. */
export function exitOf({ code, signal, wasTooMany }: Exit): JsonObject {
  const note = wasTooMany ? { note: "It was ended because it started too many processes." } : {};
  return { ...signal === undefined ? { exit_code: code } : { exit_code: null, signal }, ...note };
}

/** Waits for the end of a command, and brings it about at its time limit and at the signal. True if late. */
async function endedInTime(running: Running, ms: number, signal: AbortSignal, clock: Clock) {
  let isLate = false;
  const over = new AbortController();
  const limit = clock.sleep(ms, over.signal).then(() => {
    isLate = true;
    return running.stop();
  }, () => {});
  const onStop = () => void running.stop();
  signal.addEventListener("abort", onStop);
  if (signal.aborted) onStop();
  await running.ended;
  signal.removeEventListener("abort", onStop);
  over.abort(NOT_NEEDED);
  await limit;
  return isLate;
}

/** Shows what is new again and again: often at first, then seldom, so that it is not shown without end. */
async function showing(show: () => void, clock: Clock, over: AbortSignal): Promise<void> {
  for (let times = 0; times < 2 * SHOWN.quick && !over.aborted; times++) {
    await clock.sleep(times < SHOWN.quick ? SHOWN.everyMs : SHOWN.slowMs, over).catch(() => {});
    if (!over.aborted) show();
  }
}
