/**
 * The bytes that the calling test file holds: its objects and buffers. The process's
 * resident memory would also count the test files that run beside it.
 */
export function heldBytes(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
