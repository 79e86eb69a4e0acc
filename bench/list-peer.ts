import { createClient } from "@libsql/client";
import { Hono } from "hono";
import { verify } from "hono/jwt";

// The peers of bench/list.ts: `/checked` verifies one token and makes one select, `/bare` does neither.
const [url = "", secret = "", bodyFile = ""] = process.argv.slice(2);
const body = await Bun.file(bodyFile).text();
const client = createClient({ url, concurrency: 1 });
const answer = () => new Response(body, { headers: { "content-type": "application/json" } });

const app = new Hono()
  .get("/checked", async (c) => {
    await verify(c.req.header("authorization") ?? "", secret, "HS256");
    const { rows } = await client.execute("SELECT * FROM smtp_server ORDER BY identifier");
    return rows.length > 0 ? answer() : c.notFound();
  })
  .get("/bare", answer);
const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: app.fetch });
console.log(server.url.origin);
