/** How benches measure and say what they measured. */

/** The value below which a share `p` of the sorted values lies. */
export function quantile(values: number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? NaN;
}

/** CPU seconds of a process so far, user and system. */
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

/** Reads a response to its end and calls `onDelta` with the number of text deltas in each read. */
export async function readDeltas(
  response: Response,
  onDelta: (count: number, at: number) => void,
): Promise<number> {
  if (!response.ok || !response.body) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
  const decoder = new TextDecoder();
  let total = 0;
  let rest = "";
  for await (const chunk of response.body) {
    const text = rest + decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    const count = countDeltas(text.slice(0, end));
    if (count === 0) continue;
    total += count;
    onDelta(count, performance.now());
  }
  return total;
}

/** Counts the lines `0:…` of the data stream, or those with content of chat completions. */
function countDeltas(lines: string): number {
  return lines.match(/^0:|^data: .*"content":"[^"]/gm)?.length ?? 0;
}

/** Prints a row of a report. */
export function say(...cells: (string | number)[]): void {
  const text = cells.map((cell) =>
    typeof cell === "number" ? cell.toFixed(2).padStart(12) : cell.padEnd(34)
  ).join(" ");
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
