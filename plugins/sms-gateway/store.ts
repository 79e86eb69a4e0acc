import { asc, eq } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { KeptTable, PluginStore, WriteStatement } from "sealpost/plugin";

/** Gateways as queries see them; `migrations/*.sql` creates the table. */
export const gateway = sqliteTable("sms_gateway_gateway", {
  /** The number by which privacyIDEA's clients name a gateway in some places. */
  id: integer("id").primaryKey({ autoIncrement: true }),
  identifier: text("identifier").notNull().unique(),
  description: text("description").notNull(),
  /** Templates of the message that the gateway turns into an SMS. */
  mailto: text("mailto").notNull(),
  subject: text("subject").notNull(),
  body: text("body").notNull(),
  /** `/pattern/replacement/` for phone numbers, or empty to leave them unchanged. */
  regexp: text("regexp").notNull(),
  /** Names of SMTP servers, comma-separated. If empty, `default` is used. */
  smtpidentifier: text("smtpidentifier").notNull(),
});
export type GatewayRow = typeof gateway.$inferSelect;

/** All gateways, ordered by number. */
export const GATEWAYS: KeptTable<GatewayRow> = {
  name: "sms_gateway_gateway",
  select: (read) => read.select().from(gateway).orderBy(asc(gateway.id)),
};

export type GatewayInput = Omit<GatewayRow, "id">;

/** The statements on gateways. Writes are for `commit`. */
export interface GatewayStore {
  list(): Promise<readonly GatewayRow[]>;
  find(identifier: string): Promise<GatewayRow | undefined>;
  get(id: number): Promise<GatewayRow | undefined>;
  /** Creates the gateway, or replaces the one of this name, which keeps its number. */
  put(input: GatewayInput): WriteStatement;
  set(id: number, values: Partial<GatewayInput>): WriteStatement;
  remove(identifier: string): WriteStatement;
}

/** Creates the statements on gateways. */
export function createGatewayStore({ write, kept }: Pick<PluginStore, "write" | "kept">): GatewayStore {
  const list = () => kept(GATEWAYS);
  return {
    list,

    async find(identifier) {
      return (await list()).find((row) => row.identifier === identifier);
    },

    async get(id) {
      return (await list()).find((row) => row.id === id);
    },

    put(input) {
      return write
        .insert(gateway)
        .values(input)
        .onConflictDoUpdate({ target: gateway.identifier, set: input });
    },

    set(id, values) {
      return write.update(gateway).set(values).where(eq(gateway.id, id));
    },

    remove(identifier) {
      return write.delete(gateway).where(eq(gateway.identifier, identifier));
    },
  };
}
