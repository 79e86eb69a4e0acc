import { asc, eq } from "drizzle-orm";
import type { KeptTable, PluginContext } from "sealpost";
import { type GatewayRow, gateway } from "./tables.ts";

/** Gateways by number. */
export const GATEWAYS: KeptTable<GatewayRow> = {
  name: "sms_gateway_gateway",
  select: (read) => read.select().from(gateway).orderBy(asc(gateway.id)),
};

export type GatewayRepository = ReturnType<typeof createGatewayRepository>;
export type GatewayInput = Omit<GatewayRow, "id">;

/** Gateways. What writes is an unexecuted statement for `commit`. */
export function createGatewayRepository({ store, kept }: Pick<PluginContext, "store" | "kept">) {
  const { write } = store;
  const list = (): Promise<readonly GatewayRow[]> => kept(GATEWAYS);
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
