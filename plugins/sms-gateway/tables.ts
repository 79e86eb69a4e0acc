import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Gateways as queries see them; `migrations/*.sql` makes the table. */
export const gateway = sqliteTable("sms_gateway_gateway", {
  /** Clients of the reference name a gateway by it in some places. */
  id: integer("id").primaryKey({ autoIncrement: true }),
  identifier: text("identifier").notNull().unique(),
  description: text("description").notNull(),
  /** Templates of the mail that the gateway makes an SMS of. */
  mailto: text("mailto").notNull(),
  subject: text("subject").notNull(),
  body: text("body").notNull(),
  /** `/pattern/replacement/` for phone numbers; empty: they stay as they are. */
  regexp: text("regexp").notNull(),
  /** Names of SMTP servers, comma separated; empty: `default`. */
  smtpidentifier: text("smtpidentifier").notNull(),
});
export type GatewayRow = typeof gateway.$inferSelect;
