import { and, asc, eq, sql } from "drizzle-orm";
import { type PluginContext, SealpostError, type Statement } from "sealpost";
import { type Binding, binding, type NewBinding } from "./tables.ts";

export type Bindings = ReturnType<typeof createBindings>;

/** What is done when something happens. A write takes its audit row along, which is for a row that there is. */
export function createBindings({ store }: Pick<PluginContext, "store">) {
  const { read, write } = store;
  const inOrder = [asc(binding.ordering), asc(binding.id)];

  return {
    list: async (): Promise<Binding[]> =>
      read
        .select()
        .from(binding)
        .orderBy(...inOrder),

    async get(id: number): Promise<Binding> {
      const row = await read.select().from(binding).where(eq(binding.id, id)).get();
      if (row) return row;
      throw notFound();
    },

    /** Those that are to be carried out when this happens. */
    async of(event: string): Promise<Binding[]> {
      const isMeant = sql`EXISTS (SELECT 1 FROM json_each(${binding.event}) WHERE value = ${event})`;
      return read
        .select()
        .from(binding)
        .where(and(eq(binding.active, true), isMeant))
        .orderBy(...inOrder);
    },

    async add(row: NewBinding, said: Statement): Promise<number> {
      const [rows] = await store.commit([
        write.insert(binding).values(row).returning({ id: binding.id }),
        said,
      ]);
      const [added] = rows;
      if (!added) throw new TypeError("An insert returns its row");
      return added.id;
    },

    async replace(id: number, row: NewBinding, said: Statement): Promise<void> {
      requireChange(await store.commit([write.update(binding).set(row).where(eq(binding.id, id)), said]));
    },

    async setActive(id: number, active: boolean, said: Statement): Promise<void> {
      requireChange(
        await store.commit([write.update(binding).set({ active }).where(eq(binding.id, id)), said]),
      );
    },

    async remove(id: number, said: Statement): Promise<void> {
      requireChange(await store.commit([write.delete(binding).where(eq(binding.id, id)), said]));
    },
  };
}

function requireChange([changed]: readonly [{ readonly rowsAffected: number }, unknown]): void {
  if (changed.rowsAffected === 0) throw notFound();
}

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested Event handler could not be found.");
}
