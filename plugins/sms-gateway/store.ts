import { asc, eq } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { KeptTable, PluginStore } from "sealpost/plugin";

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
  /** `/pattern/replacement/` for phone numbers; empty to leave them unchanged. */
  regexp: text("regexp").notNull(),
  /** Names of SMTP servers, comma-separated; empty for `default`. */
  smtpidentifier: text("smtpidentifier").notNull(),
});
export type GatewayRow = typeof gateway.$inferSelect;

/** All gateways, ordered by number. */
export const GATEWAYS: KeptTable<GatewayRow> = {
  name: "sms_gateway_gateway",
  select: (read) => read.select().from(gateway).orderBy(asc(gateway.id)),
};

export type GatewayStore = ReturnType<typeof createGatewayStore>;
export type GatewayInput = Omit<GatewayRow, "id">;

/** Creates the statements on gateways. Writes are for `commit`. */
export function createGatewayStore({ write, kept }: Pick<PluginStore, "write" | "kept">) {
  const list = (): Promise<readonly GatewayRow[]> => kept(GATEWAYS);
  return {
    list,

    async find(identifier: string): Promise<GatewayRow | undefined> {
      return (await list()).find((row) => row.identifier === identifier);
    },

    async get(id: number): Promise<GatewayRow | undefined> {
      return (await list()).find((row) => row.id === id);
    },

    /** Creates or replaces the gateway of this name, which keeps its number. */
    put(input: GatewayInput) {
      return write
        .insert(gateway)
        .values(input)
        .onConflictDoUpdate({ target: gateway.identifier, set: input });
    },

    set(id: number, values: Partial<GatewayInput>) {
      return write.update(gateway).set(values).where(eq(gateway.id, id));
    },

    remove(identifier: string) {
      return write.delete(gateway).where(eq(gateway.identifier, identifier));
    },
  };
}
