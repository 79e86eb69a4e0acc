import { asc, eq } from "drizzle-orm";
import type { PluginContext } from "sealpost";
import { type GatewayRow, gateway } from "./tables.ts";

export type GatewayRepository = ReturnType<typeof createGatewayRepository>;
export type GatewayInput = Omit<GatewayRow, "id">;

/** Gateways. What writes is an unexecuted statement for `commit`. */
export function createGatewayRepository({ read, write }: PluginContext["store"]) {
  return {
    async list(): Promise<GatewayRow[]> {
      return read.select().from(gateway).orderBy(asc(gateway.id));
    },

    async find(identifier: string): Promise<GatewayRow | undefined> {
      return read.select().from(gateway).where(eq(gateway.identifier, identifier)).get();
    },

    async get(id: number): Promise<GatewayRow | undefined> {
      return read.select().from(gateway).where(eq(gateway.id, id)).get();
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
