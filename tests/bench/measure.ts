/** Measuring and reporting for the benchmarks. */

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

/** Prints a row of a report. */
export function say(...cells: (string | number)[]): void {
  const text = cells.map((cell) =>
    typeof cell === "number" ? cell.toFixed(2).padStart(12) : cell.padEnd(34)
  ).join(" ");
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
