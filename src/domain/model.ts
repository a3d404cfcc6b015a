/** A model that a chat can be answered by, as clients see it. */
export interface Model {
  /** What requests call it: the provider's own id, or `provider/id` where two providers share one. */
  id: string;
  displayName: string;
  /** The name of the configured provider. */
  provider: string;
}
