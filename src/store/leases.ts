import type { LeaseStore } from "../domain/ports.ts";
import type { Database } from "./database.ts";
import { RUN_COLUMNS, type RunRow, toFound } from "./runs.ts";
import { sql, type Statement } from "./statement.ts";

/** How many abandoned runs are read at once. */
const PAGE = 20;

/** The leases of runs in the database. */
export function leaseStore(db: Database): LeaseStore {
  return {
    async abandoned(owner, time, of) {
      const isMeant = "chatId" in of
        ? sql`chat_id = ${of.chatId}`
        : sql`chat_id > ${of.after} ORDER BY chat_id LIMIT ${PAGE}`;
      const rows = await db.all(sql<RunRow & { askedTokens: number }>`
        SELECT ${RUN_COLUMNS}, CAST((SELECT total(input_tokens) FROM attempts
            WHERE run_id = runs.id AND outcome = 'open') AS INTEGER) AS "askedTokens"
        FROM runs
        WHERE state = 'running' AND ${abandonedBy(owner, time)} AND ${isMeant}`);
      return rows.map(({ askedTokens, ...row }) => ({ ...toFound(row), askedTokens }));
    },

    async countAbandoned(owner, time) {
      const row = await db.get(sql<{ n: number }>`
        SELECT count(*) AS n FROM runs WHERE state = 'running' AND ${abandonedBy(owner, time)}`);
      return row!.n;
    },

    async isAnyLeft(owner, time) {
      const row = await db.get(sql<{ any: number }>`
        SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'running' AND ${abandonedBy(owner, time)})
          OR EXISTS (SELECT 1 FROM queue WHERE failure IS NULL) AS "any"`);
      return row!.any === 1;
    },

    async takeOver(runIds, { owner, until }, time) {
      const [{ rows }] = await db.write([sql<{ id: string }>`
        UPDATE runs SET lease_owner = ${owner}, lease_until = ${until}
        WHERE id IN (SELECT value FROM json_each(${JSON.stringify(runIds)}))
          AND state = 'running' AND ${abandonedBy(owner, time)}
        RETURNING id`]);
      return rows.map(({ id }) => id);
    },

    async renew({ owner, until }, runIds) {
      const renewal = sql<{ id: string }>`
        UPDATE runs SET lease_until = ${until}
        WHERE id IN (SELECT value FROM json_each(${JSON.stringify(runIds)}))
          AND state = 'running' AND lease_owner = ${owner}
        RETURNING id`;
      const [{ rows }] = await db.write([renewal], { repeatable: true });
      return rows.map(({ id }) => id);
    },

    async requestStop(ownerId, runId) {
      const [{ rowsAffected }] = await db.write([sql`
        UPDATE runs SET stop_requested = 1
        WHERE id = ${runId} AND owner_id = ${ownerId} AND state = 'running'`]);
      return rowsAffected === 1;
    },

    async stopRequests(leaseOwner) {
      const rows = await db.all(sql<{ id: string }>`
        SELECT id FROM runs
        WHERE state = 'running' AND stop_requested AND lease_owner = ${leaseOwner}`);
      return rows.map(({ id }) => id);
    },
  };
}

/** A live run is abandoned if its lease has ended; without a time, if it is another process's. */
function abandonedBy(owner: string, time: number | undefined): Statement {
  return time === undefined ? sql`lease_owner <> ${owner}` : sql`lease_until < ${time}`;
}
