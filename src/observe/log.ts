import type { Clock } from "../domain/clock.ts";
import type { Mask } from "./mask.ts";

/** The log levels: each one includes all that follow it. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
type LogLevel = (typeof LOG_LEVELS)[number];

/** The formats of a log line. */
export const LOG_FORMATS = ["text", "json"] as const;
type LogFormat = (typeof LOG_FORMATS)[number];

/** Writes a line for each event. Its fields never have the contents of messages, nor secrets. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void;
}

type LogFields = Record<string, string | number | boolean | null | undefined>;

interface LoggerOptions {
  level: LogLevel;
  format: LogFormat;
  clock: Clock;
  mask: Mask;
  /** Takes a line without its newline. */
  write: (line: string) => void;
}

/** A logger that masks every string field. */
export function createLogger({ level, format, clock, mask, write }: LoggerOptions): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  const line = logLines(format, clock);
  return {
    log(at, message, fields = {}) {
      if (LOG_LEVELS.indexOf(at) < threshold) return;
      const masked = Object.entries(fields)
        .map(([name, value]) => [name, typeof value === "string" ? mask(value) : value] as const);
      write(line(at, message, Object.fromEntries(masked)));
    },
  };
}

/** What would break a line, or make a terminal show something else: JSON leaves some of it as it is. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escaped(character: string): string {
  const units = character.split("").map((unit) => unit.charCodeAt(0).toString(16).padStart(4, "0"));
  return units.map((unit) => `\\u${unit}`).join("");
}

/** Makes lines of the log, without their newline. It masks nothing. */
export function logLines(
  format: LogFormat,
  clock: Clock,
): (level: LogLevel, message: string, fields?: LogFields) => string {
  const lineOf = (level: LogLevel, message: string, fields: LogFields) => {
    const time = new Date(clock.now()).toISOString();
    if (format === "json") return JSON.stringify({ time, level, message, ...fields });
    const known = Object.entries(fields).filter(([, value]) => value !== undefined);
    return [time, level.toUpperCase().padEnd(5), message, ...known.map(textField)].join(" ");
  };
  return (level, message, fields = {}) => lineOf(level, message, fields).replace(UNSEEN, escaped);
}

function textField([name, value]: readonly [string, unknown]): string {
  const text = String(value);
  return `${name}=${/[\s"=]/.test(text) ? JSON.stringify(text) : text}`;
}
