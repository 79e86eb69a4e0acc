import { createClient } from "@libsql/client/web";
import { Hono } from "hono";
import { verify } from "hono/jwt";

interface Bindings {
  readonly DATABASE_URL: string;
  readonly SECRET: string;
  /** The response of `/checked`. */
  readonly BODY: string;
}

// The peer of bench/workers.ts: `/checked` verifies one token and makes one select, with a client of its own, as
// parallel requests in workerd hang on a shared one.
export default new Hono<{ Bindings: Bindings }>().get("/checked", async (c) => {
  await verify(c.req.header("authorization") ?? "", c.env.SECRET, "HS256");
  const client = createClient({ url: c.env.DATABASE_URL });
  const { rows } = await client.execute("SELECT * FROM smtp_server ORDER BY identifier");
  if (rows.length === 0) return c.notFound();
  return new Response(c.env.BODY, { headers: { "content-type": "application/json" } });
});
