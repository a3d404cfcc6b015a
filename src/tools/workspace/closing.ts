import { loadLibc } from "./libc.ts";

/**
 * Closes this process to other processes of the same user, which could otherwise take its keys: its memory
 * and its environment, and the debugger, which Deno opens to all of the machine at SIGUSR1. Root still can
 * read the memory. Resolves to whether it worked: only Linux has it.
 */
export function closeToOthers(): boolean {
  const libc = loadLibc();
  if (!libc) return false;
  try {
    // The runtime takes a signal over at the first listener, and never again.
    Deno.addSignalListener("SIGUSR1", () => {});
    libc.disarm();
    return libc.closeMemory();
  } finally {
    libc.unload();
  }
}
