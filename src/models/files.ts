/** Brings the files of a prompt to where its request is sent. */
import type { AttachedFiles, SizedFile } from "../domain/attached.ts";

const FILES = Symbol("files");

/**
 * Gives a call's signal the files of its prompt. The AI SDK hands the signal to `fetch` as it is, and
 * nothing else of a call.
 */
export function attach(signal: AbortSignal, files: AttachedFiles<SizedFile>): void {
  Object.defineProperty(signal, FILES, { value: files });
}

/** The files of a call, by its signal. */
export function attachedTo(signal: AbortSignal | null | undefined): AttachedFiles<SizedFile> {
  return (signal as { [FILES]?: AttachedFiles<SizedFile> } | null | undefined)?.[FILES] ??
    new Map();
}
