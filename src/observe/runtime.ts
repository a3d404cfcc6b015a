import process from "node:process";
import type { Logger } from "./log.ts";

/** The most characters of a text that is not Parley's own. */
const MOST = 1_000;

/**
 * Logs what the runtime and packages would write to standard error themselves, in a form of their own:
 * errors that nobody caught, which no longer end the process, and warnings.
 */
export function captureRuntime({ log }: Logger): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    log("error", "an error was not caught", { reason: textOf(event.error ?? event.message) });
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    log("error", "an error was not caught", { reason: textOf(event.reason) });
  });
  const says = (...said: unknown[]) => {
    log("warn", "a package says", { text: said.map(textOf).join(" ").slice(0, MOST) });
  };
  Object.assign(globalThis.console, { log: says, info: says, warn: says, error: says });
  Object.assign(globalThis.console, { debug() {}, trace() {} });
  process.removeAllListeners("warning");
  process.on("warning", says);
}

function textOf(value: unknown): string {
  const text = value instanceof Error ? value.stack ?? value.message : String(value);
  return text.slice(0, MOST);
}
