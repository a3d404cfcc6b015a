import { eq, or } from "drizzle-orm";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { type Authenticator, localPrincipal } from "../domain/principal.ts";
import { hashToken, sameHash } from "../domain/token.ts";
import type { Database } from "./database.ts";
import { storageError } from "./failure.ts";
import { tokens } from "./schema.ts";

/** A token as it is listed: never the secret. */
export interface TokenRecord {
  id: string;
  name: string;
  username: string;
  createdAt: number;
  expiresAt: number | null;
}

/** Tokens of local users. */
export interface TokenStore extends Authenticator {
  /** Stores the token's hash and resolves to its record. */
  create(
    token: { secret: string; name: string; username: string; expiresAt: number | null },
  ): Promise<TokenRecord>;
  list(): Promise<TokenRecord[]>;
  /** Revokes by id or name; resolves to the number of tokens revoked. */
  revoke(idOrName: string): Promise<number>;
}

/** Tokens in the database, as SHA-256 only. */
export function tokenStore(db: Database, clock: Clock, ids: IdGenerator): TokenStore {
  const listed = {
    id: tokens.id,
    name: tokens.name,
    username: tokens.username,
    createdAt: tokens.createdAt,
    expiresAt: tokens.expiresAt,
  };
  const guard = async <T>(query: PromiseLike<T>): Promise<T> => {
    try {
      return await query;
    } catch (error) {
      throw storageError(error instanceof Error && error.cause ? error.cause : error);
    }
  };
  return {
    async create({ secret, ...token }) {
      const record = { id: ids.uuid(), createdAt: clock.now(), ...token };
      await guard(db.orm.insert(tokens).values({ ...record, hash: hashToken(secret) }));
      await db.durable();
      return record;
    },

    list: () => guard(db.orm.select(listed).from(tokens).orderBy(tokens.createdAt)),

    async revoke(idOrName) {
      const match = or(eq(tokens.id, idOrName), eq(tokens.name, idOrName));
      const result = await guard(db.orm.delete(tokens).where(match));
      await db.durable();
      return result.rowsAffected;
    },

    async authenticate(token) {
      const hash = hashToken(token);
      const { rows } = await db.read({
        sql: "SELECT hash, username, expires_at FROM tokens WHERE hash = ?",
        args: [hash],
      });
      const row = rows[0];
      if (!row || !sameHash(row["hash"] as string, hash)) return undefined;
      const expiresAt = row["expires_at"] as number | null;
      if (expiresAt !== null && expiresAt <= clock.now()) return undefined;
      return localPrincipal(row["username"] as string);
    },
  };
}
