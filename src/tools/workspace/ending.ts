/** Ends all that a command started. */
import process from "node:process";
import type { Clock } from "../../domain/clock.ts";
import type { Kinship } from "./kin.ts";

/** A signal that commands can get. */
export type Signal = "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGHUP" | "SIGUSR1" | "SIGUSR2";

/** How long processes may take to end by themselves, and how long those that do not are looked for. */
const POLITE_MS = 400;
const LOOK_MS = 5_000;

const PAUSE_MS = 20;

/** After so many looks that found nothing, nothing is left: processes of others come and go all the time. */
const EMPTY_LOOKS = 6;

/** Asks everything to end, and kills what has not after 0.4 s. Resolves once nothing is left. */
export async function endAll(kinship: Kinship, clock: Clock): Promise<void> {
  const kill = clock.elapsed() + POLITE_MS;
  sendToGroup(kinship, "SIGTERM");
  for (const pid of (await kinship.look()).pids) send(pid, "SIGTERM");
  while (clock.elapsed() < kill) {
    await clock.sleep(PAUSE_MS);
    if ((await kinship.look()).pids.length === 0) break;
  }
  await killAll(kinship, clock);
}

/** Kills everything, again and again, until nothing is left. */
export async function killAll(kinship: Kinship, clock: Clock, isUrgent = false): Promise<void> {
  const until = clock.elapsed() + LOOK_MS;
  let empty = 0;
  while (empty < EMPTY_LOOKS && clock.elapsed() < until) {
    const { pids, isCertain, isBlind } = await kinship.look(isUrgent);
    // The number of a group that is gone may be another's by now.
    if (pids.length > 0 || isBlind) sendToGroup(kinship, "SIGKILL");
    // What cannot be sent a signal is gone, or another user's.
    const left = pids.filter((pid) => send(pid, "SIGKILL"));
    if (left.length === 0 && isCertain) return;
    empty = left.length === 0 ? empty + 1 : 0;
    await clock.sleep(1);
  }
}

/** Sends a signal to the command's own group. False if there is none any more. */
export function sendToGroup({ pid }: Kinship, signal: Signal): boolean {
  return send(-pid, signal);
}

function send(pid: number, signal: Signal): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
