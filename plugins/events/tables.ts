import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

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
