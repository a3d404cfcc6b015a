/** Measuring and reporting for the benchmarks. */
import type { OnDeltas } from "./reader.ts";

/** The value below which a fraction `p` of the values lies. */
export function quantile(values: number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}

/** CPU seconds a process has used, user and system. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Resident memory of a process, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Milliseconds until the first delta from `ask`. */
export async function timeToFirst(
  ask: (onDeltas: OnDeltas) => Promise<unknown>,
): Promise<number> {
  const begun = performance.now();
  let first = 0;
  await ask((_, at) => first ||= at - begun);
  return first;
}

/** Prints a row of a report. */
export function say(...cells: (string | number)[]): void {
  const text = cells.map((cell) =>
    typeof cell === "number" ? cell.toFixed(2).padStart(12) : cell.padEnd(34)
  ).join(" ");
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
