import { asc, eq } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { SealpostError } from "sealpost";
import type { KeptTable, PluginContext, Statement } from "sealpost/plugin";

type Texts = Readonly<Record<string, string>>;

/** Bindings as queries see them; `migrations/*.sql` makes the table. */
export const binding = sqliteTable("events_binding", {
  /** As clients of the reference know them: 1, 2, … */
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull(),
  event: text("event", { mode: "json" }).$type<readonly string[]>().notNull(),
  action: text("action").notNull(),
  ordering: integer("ordering").notNull(),
  active: integer("active", { mode: "boolean" }).notNull(),
  options: text("options", { mode: "json" }).$type<Texts>().notNull(),
  conditions: text("conditions", { mode: "json" }).$type<Texts>().notNull(),
});
export type Binding = typeof binding.$inferSelect;
export type NewBinding = Omit<Binding, "id">;

/** Bindings in the order in which they run. */
export const BINDINGS: KeptTable<Binding> = {
  name: "events_binding",
  select: (read) => read.select().from(binding).orderBy(asc(binding.ordering), asc(binding.id)),
};

export type Bindings = ReturnType<typeof createBindings>;

/** What is done when something happens. A write takes its audit row along, which is for a row that there is. */
export function createBindings({ store }: Pick<PluginContext, "store">) {
  const { write } = store;
  const list = (): Promise<readonly Binding[]> => store.kept(BINDINGS);

  return {
    list,

    async get(id: number): Promise<Binding> {
      const row = (await list()).find((one) => one.id === id);
      if (row) return row;
      throw notFound();
    },

    /** Those that are to be run on this event. */
    async of(event: string): Promise<Binding[]> {
      return (await list()).filter((one) => one.active && one.event.includes(event));
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
