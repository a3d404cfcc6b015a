import { and, eq, getTableColumns, gt, isNull, or } from "drizzle-orm";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { sha256 } from "../domain/hash.ts";
import { type Authenticator, localPrincipal } from "../domain/principal.ts";
import { type Database, placeholders } from "./database.ts";
import { tokens } from "./schema.ts";

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
  const { hash: _, ...columns } = getTableColumns(tokens);
  const given = placeholders(tokens);
  const insert = db.orm.insert(tokens).values(given).prepare();
  const all = db.orm.select(columns).from(tokens).orderBy(tokens.createdAt).prepare();
  const remove = db.orm.delete(tokens).where(eq(tokens.id, given.id))
    .returning({ id: tokens.id }).prepare();
  const isValid = or(isNull(tokens.expiresAt), gt(tokens.expiresAt, given.expiresAt));
  const find = db.orm.select({ username: tokens.username }).from(tokens)
    .where(and(eq(tokens.hash, given.hash), isValid)).prepare();
  return {
    async create({ secret, ...token }) {
      const record = { id: ids.uuid(), createdAt: clock.now(), ...token };
      await db.ask(insert.run({ ...record, hash: sha256(secret) }));
      await db.durable();
      return record;
    },

    list: () => db.ask(all.all()),

    async revoke(id) {
      const revoked = await db.ask(remove.all({ id }));
      await db.durable();
      return revoked.length > 0;
    },

    async authenticate(token) {
      // The time that a comparison of hashes takes says nothing about a token.
      const row = await db.ask(find.get({ hash: sha256(token), expiresAt: clock.now() }));
      return row && localPrincipal(row.username);
    },
  };
}
