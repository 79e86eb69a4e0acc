import { DurableObject } from "cloudflare:workers";

/** The least that an object can do, for bench/object.ts: it reads one row for each request, and nothing else. */
export class Sealpost extends DurableObject {
  async fetch(_request: Request): Promise<Response> {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS row (value TEXT)");
    return Response.json([...sql.exec("SELECT value FROM row LIMIT 1").raw()]);
  }
}

interface Bindings {
  readonly OBJECT: { getByName(name: string): Pick<Sealpost, "fetch"> };
}

export default {
  fetch: (request: Request, { OBJECT }: Bindings) => OBJECT.getByName("bare").fetch(request),
};
