import { asc, eq } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { KeptTable, PluginContext } from "sealpost/plugin";

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

/** Gateways by number. */
export const GATEWAYS: KeptTable<GatewayRow> = {
  name: "sms_gateway_gateway",
  select: (read) => read.select().from(gateway).orderBy(asc(gateway.id)),
};

export type GatewayRepository = ReturnType<typeof createGatewayRepository>;
export type GatewayInput = Omit<GatewayRow, "id">;

/** Gateways. What writes is an unexecuted statement for `commit`. */
export function createGatewayRepository({ store }: Pick<PluginContext, "store">) {
  const { write } = store;
  const list = (): Promise<readonly GatewayRow[]> => store.kept(GATEWAYS);
  return {
    list,

    async find(identifier: string): Promise<GatewayRow | undefined> {
      return (await list()).find((row) => row.identifier === identifier);
    },

    async get(id: number): Promise<GatewayRow | undefined> {
      return (await list()).find((row) => row.id === id);
    },

    /** Creates or replaces the one of this name; its number stays. */
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
