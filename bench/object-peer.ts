import { DurableObject } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/durable-sqlite";
import { migrate } from "drizzle-orm/durable-sqlite/migrator";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Hono } from "hono";
import { verify } from "hono/jwt";

const definitions = sqliteTable("smtp_server", {
  identifier: text().primaryKey(),
  server: text().notNull(),
  port: integer().notNull(),
  sender: text().notNull(),
});
const audit = sqliteTable("audit", {
  id: integer().primaryKey(),
  action: text().notNull(),
  identifier: text().notNull(),
});
const MIGRATIONS = {
  journal: { entries: [{ idx: 0, when: 1, tag: "0000", breakpoints: true }] },
  migrations: {
    m0000: `CREATE TABLE smtp_server (identifier TEXT PRIMARY KEY, server TEXT NOT NULL, port INTEGER NOT NULL, sender TEXT NOT NULL);
      CREATE TABLE audit (id INTEGER PRIMARY KEY, action TEXT NOT NULL, identifier TEXT NOT NULL);
      INSERT INTO smtp_server VALUES ('server-0', 'mail.example.org', 25, 'app@example.org');`,
  },
};

interface Bindings {
  readonly SECRET: string;
  readonly OBJECT: { getByName(name: string): Pick<Sealpost, "fetch"> };
}

/**
 * The peer of bench/object.ts: Hono and Drizzle in an object, as their manuals put them there. It migrates its database,
 * verifies one token, selects one definition, and inserts one audit row, because the definition has a password.
 */
export class Sealpost extends DurableObject {
  readonly #database = drizzle(this.ctx.storage);
  readonly #bindings: Bindings;
  readonly #app = new Hono<{ Bindings: Bindings }>().get("/smtpserver/:identifier", async (c) => {
    await verify(c.req.header("authorization") ?? "", c.env.SECRET, "HS256");
    const identifier = c.req.param("identifier");
    const [found] = await this.#database
      .select()
      .from(definitions)
      .where(eq(definitions.identifier, identifier));
    if (found === undefined) return c.notFound();
    await this.#database.insert(audit).values({ action: "GET /smtpserver/<identifier>", identifier });
    return c.json(found);
  });

  constructor(ctx: DurableObject["ctx"], bindings: Bindings) {
    super(ctx, bindings);
    this.#bindings = bindings;
    void ctx.blockConcurrencyWhile(() => migrate(this.#database, MIGRATIONS));
  }

  async fetch(request: Request): Promise<Response> {
    return this.#app.fetch(request, this.#bindings);
  }
}

export default {
  fetch: (request: Request, { OBJECT }: Bindings) => OBJECT.getByName("peer").fetch(request),
};
