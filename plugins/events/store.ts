import { asc, eq } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { KeptTable, PluginStore, RowsStatement, WriteStatement } from "sealpost/plugin";

type Texts = Readonly<Record<string, string>>;

/** Bindings as queries see them; `migrations/*.sql` creates the table. */
export const binding = sqliteTable("events_binding", {
  /** 1, 2, …, as privacyIDEA's clients expect. */
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull(),
  event: text("event", { mode: "json" }).$type<readonly string[]>().notNull(),
  action: text("action").notNull(),
  ordering: integer("ordering").notNull(),
  active: integer("active", { mode: "boolean" }).notNull(),
  options: text("options", { mode: "json" }).$type<Texts>().notNull(),
  conditions: text("conditions", { mode: "json" }).$type<Texts>().notNull(),
  /** Identifies the row to the encryption of the next two. Empty without them. */
  sealId: text("seal_id").notNull(),
  secret: text("secret").notNull(),
  /** JSON. */
  headers: text("headers").notNull(),
});
export type Binding = typeof binding.$inferSelect;
export type NewBinding = Omit<Binding, "id">;

/** All bindings, in the order in which they run. */
export const BINDINGS: KeptTable<Binding> = {
  name: "events_binding",
  select: (read) => read.select().from(binding).orderBy(asc(binding.ordering), asc(binding.id)),
};

/** The statements on bindings. Writes are for `commit`. */
export interface BindingStore {
  list(): Promise<readonly Binding[]>;
  find(id: number): Promise<Binding | undefined>;
  /** Returns the active bindings of an event. */
  of(event: string): Promise<readonly Binding[]>;
  /** Returns the ID of the new binding. */
  insert(row: NewBinding): RowsStatement<{ id: number }>;
  set(id: number, values: Partial<NewBinding>): WriteStatement;
  remove(id: number): WriteStatement;
}

/** Creates the statements on bindings. */
export function createBindingStore({ write, kept }: Pick<PluginStore, "write" | "kept">): BindingStore {
  const list = () => kept(BINDINGS);
  return {
    list,

    async find(id) {
      return (await list()).find((one) => one.id === id);
    },

    async of(event) {
      return (await list()).filter((one) => one.active && one.event.includes(event));
    },

    insert(row) {
      return write.insert(binding).values(row).returning({ id: binding.id });
    },

    set(id, values) {
      return write.update(binding).set(values).where(eq(binding.id, id));
    },

    remove(id) {
      return write.delete(binding).where(eq(binding.id, id));
    },
  };
}
