import { readFileSync } from "node:fs";
import { createClient } from "@libsql/client";
import { Hono } from "hono";
import { verify } from "hono/jwt";

// The peers of bench/list.ts, on Bun and on Deno: `/checked` verifies one token and makes one select, `/bare` does neither.
const [url = "", secret = "", bodyFile = ""] = process.argv.slice(2);
const body = readFileSync(bodyFile, "utf8");
const client = createClient({ url, concurrency: 1 });
const answer = () => new Response(body, { headers: { "content-type": "application/json" } });

const app = new Hono()
  .get("/checked", async (c) => {
    await verify(c.req.header("authorization") ?? "", secret, "HS256");
    const { rows } = await client.execute("SELECT * FROM smtp_server ORDER BY identifier");
    return rows.length > 0 ? answer() : c.notFound();
  })
  .get("/bare", answer);
const address = { hostname: "127.0.0.1", port: 0 };
if (typeof Bun === "undefined") {
  Deno.serve({ ...address, onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`) }, app.fetch);
} else {
  console.log(Bun.serve({ ...address, fetch: app.fetch }).url.origin);
}
