import { defineConfig } from "drizzle-kit";

/** `bunx drizzle-kit generate` prints what a change of the schema means in SQL; the migration itself is kept by hand. */
export default defineConfig({
  dialect: "turso",
  schema: "./src/storage/schema.ts",
  out: "./data/drizzle",
});
