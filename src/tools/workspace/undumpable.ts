import { loadLibc } from "./libc.ts";

/**
 * Closes the memory and the environment of this process to other processes of the same user, which could
 * otherwise read its keys there. Root still can. Resolves to whether it worked: only Linux has it.
 */
export function closeMemory(): boolean {
  const libc = loadLibc();
  if (!libc) return false;
  try {
    return libc.closeMemory();
  } finally {
    libc.unload();
  }
}
