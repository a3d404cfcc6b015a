/** Frees the memory of bytes that nobody needs any more: garbage collection would be too late for many. */
export function release({ buffer }: Uint8Array<ArrayBuffer>): void {
  buffer.transfer(0);
}
