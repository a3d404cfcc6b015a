import type { Message } from "../domain/message.ts";
import type { StoredMessage } from "../domain/records.ts";
import type { Protocol } from "../wire/negotiate.ts";
import { toUi } from "../wire/ui_message.ts";
import { toV4 } from "../wire/v4_message.ts";

/**
 * A message in the form of the protocol. Other messages that stand in its place are listed by their
 * keys, each a branch: AI SDK 4 has no metadata, so there they are the last annotation. 5 and later
 * also have what a client of 4 annotated, for it has no other place.
 */
export function toForm(
  message: Message,
  siblings: readonly string[] | undefined,
  protocol: Protocol,
): object {
  if (!siblings) return protocol === "ui" ? toUi(message) : toV4(message);
  const branches = { key: (message as StoredMessage).key, siblings: [...siblings] };
  const metadata = { ...message.metadata, branches };
  if (protocol === "ui") return toUi({ ...message, metadata });
  const rendered = toV4(message);
  return { ...rendered, annotations: [...rendered.annotations ?? [], { branches }] };
}
