/** What every generation of the AI SDK is tested for. */
import { describe, test } from "node:test";
import { approving } from "./cases/approvals.js";
import { edits } from "./cases/edits.js";
import { failures } from "./cases/failures.js";
import { parts } from "./cases/parts.js";
import { resuming } from "./cases/resuming.js";
import { stopping } from "./cases/stopping.js";
import { tools } from "./cases/tools.js";
import { turns } from "./cases/turns.js";

/** Runs every test as `client` with `sdk`: the exports of `ai` and of `@ai-sdk/react`. */
export function testClient(client, sdk) {
  describe(client, { concurrency: 8 }, () => {
    for (const cases of [turns, parts, resuming, stopping, edits, failures, tools, approving]) {
      for (const [title, run] of Object.entries(cases)) {
        test(title, { timeout: 60_000 }, (t) => run(t, sdk));
      }
    }
  });
}
