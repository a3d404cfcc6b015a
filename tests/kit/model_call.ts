/** Calls to models without a server. */
import { systemClock } from "../../src/domain/clock.ts";
import { ShortTurns } from "../../src/domain/turns.ts";
import { OpenRequests } from "../../src/models/open_requests.ts";
import { type ModelCall, modelCall } from "../../src/models/call.ts";
import { ProviderHealth } from "../../src/models/health.ts";

/** Calls as a server makes them, that hide nothing. `stallMs`: how long a provider may be silent. */
export function plainModelCall(stallMs: number): ModelCall {
  return modelCall({
    clock: systemClock,
    mask: (text) => text,
    turns: new ShortTurns(),
    requests: new OpenRequests(),
    refusedUrls: "local",
    health: new ProviderHealth(),
    stallMs,
  });
}
