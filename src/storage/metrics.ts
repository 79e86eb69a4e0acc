import { count, inArray, isNotNull, min, ne } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { MAIL_STATES, type MailState } from "../domain/queued-mail.ts";
import { mail, oauthToken, serverHealth } from "./schema.ts";
import type { ServerHealthRow } from "./server-health.ts";

/** The number of messages of one definition in one state that is not final. */
interface WaitingCount {
  readonly identifier: string;
  readonly state: MailState;
  readonly count: number;
  /** Submission date of the oldest. */
  readonly oldest: Date | null;
}

/** Rows for the metrics, as of one moment. */
export interface MetricsRows {
  readonly waiting: readonly WaitingCount[];
  /** The definitions whose circuit is open or half-open. */
  readonly unhealthy: readonly ServerHealthRow[];
  /** The access tokens of stored definitions. The state is sealed. */
  readonly tokens: readonly Pick<typeof oauthToken.$inferSelect, "key" | "definitionId" | "state">[];
}

const WAITING = MAIL_STATES.filter((state) => ["queued", "sending", "deferred"].includes(state));

/** Reads the rows for the metrics, in one batch. The index `mail_counts` covers the counts. */
export function createMetricsRepository({ read }: Database): { read(): Promise<MetricsRows> } {
  return {
    async read() {
      const [waiting, unhealthy, tokens] = await read.batch([
        read
          .select({
            identifier: mail.identifier,
            state: mail.state,
            count: count(),
            oldest: min(mail.createdAt),
          })
          .from(mail)
          .where(inArray(mail.state, WAITING))
          .groupBy(mail.state, mail.identifier),
        read.select().from(serverHealth).where(isNotNull(serverHealth.openUntil)),
        read
          .select({ key: oauthToken.key, definitionId: oauthToken.definitionId, state: oauthToken.state })
          .from(oauthToken)
          .where(ne(oauthToken.definitionId, "")),
      ]);
      return { waiting, unhealthy, tokens };
    },
  };
}
