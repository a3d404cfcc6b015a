/** What the thread runs: it opens the file once, and answers with what went wrong. */
const THREAD = `
let file;
onmessage = ({ data: path }) => {
  try {
    file ??= Deno.openSync(path, { read: true, write: true });
    file.syncDataSync();
    postMessage("");
  } catch (error) {
    postMessage(String(error.message));
  }
};`;

/**
 * Syncs a database's file in a thread of its own. An asynchronous sync of the runtime opens and closes the
 * file once more, and with the first descriptor that is closed a process loses all its locks on a file:
 * another program that looks into the database would then remove the log.
 */
export class FileSync {
  readonly path: string;
  #thread: Worker | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Resolves once what was written is on the disk. One at a time. @throws if it may not be. */
  sync(): Promise<void> {
    const thread = this.#thread ??= new Worker(
      `data:text/javascript,${encodeURIComponent(THREAD)}`,
      { type: "module" },
    );
    return new Promise((resolve, reject) => {
      thread.onmessage = ({ data }: MessageEvent<string>) => {
        if (data === "") resolve();
        else reject(new Error(data));
      };
      thread.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      thread.postMessage(this.path);
    });
  }

  /** Closes the file, which takes all locks of this process on it away. */
  close(): void {
    this.#thread?.terminate();
    this.#thread = undefined;
  }
}
