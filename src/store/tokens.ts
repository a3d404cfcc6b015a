import type { Clock, IdGenerator } from "../domain/clock.ts";
import { sha256 } from "../domain/hash.ts";
import { type Authenticator, localPrincipal } from "../domain/principal.ts";
import type { Database } from "./database.ts";
import type { tokens } from "./schema.ts";
import { sql } from "./statement.ts";

/** A token without its secret. */
export type TokenRecord = Omit<typeof tokens.$inferSelect, "hash">;

/** Tokens of local users. */
export interface TokenStore extends Authenticator {
  /** Stores the token's hash and resolves to its record. */
  create(token: Omit<TokenRecord, "id" | "createdAt"> & { secret: string }): Promise<TokenRecord>;
  /** All tokens, the oldest first. */
  list(): Promise<TokenRecord[]>;
  /** Revokes the token with that id; resolves to false if there is none. */
  revoke(id: string): Promise<boolean>;
}

/** Tokens in the database, as SHA-256 only. */
export function tokenStore(db: Database, clock: Clock, ids: IdGenerator): TokenStore {
  return {
    async create({ secret, ...token }) {
      const record = { id: ids.uuid(), createdAt: clock.now(), ...token };
      const { id, name, username, createdAt, expiresAt } = record;
      await db.write([sql`
        INSERT INTO tokens (id, name, username, hash, created_at, expires_at)
        VALUES (${id}, ${name}, ${username}, ${sha256(secret)}, ${createdAt}, ${expiresAt})`]);
      await db.durable();
      return record;
    },

    list: () =>
      db.all(sql<TokenRecord>`
        SELECT id, name, username, created_at AS "createdAt", expires_at AS "expiresAt"
        FROM tokens ORDER BY created_at`),

    async revoke(id) {
      const [{ rowsAffected }] = await db.write([sql`DELETE FROM tokens WHERE id = ${id}`]);
      await db.durable();
      return rowsAffected > 0;
    },

    async authenticate(token) {
      // The time that a comparison of hashes takes says nothing about a token.
      const row = await db.get(sql<{ username: string }>`
        SELECT username FROM tokens
        WHERE hash = ${sha256(token)} AND (expires_at IS NULL OR expires_at > ${clock.now()})`);
      return row && localPrincipal(row.username);
    },
  };
}
