/** A model that can answer a chat, as clients see it. */
export interface Model {
  /** Its id in requests: the provider's own, or `provider/id` if two providers share one. */
  id: string;
  displayName: string;
  /** The name of the configured provider. */
  provider: string;
}
