import type { Clock } from "../domain/clock.ts";
import type { Mask } from "./mask.ts";

/** How much is logged: a level and all behind it. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The forms of a log line. */
export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What a line says beside its message. Never contents of messages, never secrets. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** Writes one line an event. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void;
}

/** How a logger writes. */
export interface LoggerOptions {
  level: LogLevel;
  format: LogFormat;
  clock: Clock;
  mask: Mask;
  /** Takes one whole line without its end. */
  write: (line: string) => void;
}

/** A logger whose every text goes through the mask. */
export function createLogger({ level, format, clock, mask, write }: LoggerOptions): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  return {
    log(at, message, fields = {}) {
      if (LOG_LEVELS.indexOf(at) < threshold) return;
      const time = new Date(clock.now()).toISOString();
      const masked = Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, typeof value === "string" ? mask(value) : value] as const);
      write(
        format === "json"
          ? JSON.stringify({ time, level: at, message, ...Object.fromEntries(masked) })
          : [time, at.toUpperCase().padEnd(5), message, ...masked.map(textField)].join(" "),
      );
    },
  };
}

function textField([name, value]: readonly [string, unknown]): string {
  const text = String(value);
  return `${name}=${/[\s"=]/.test(text) ? JSON.stringify(text) : text}`;
}
