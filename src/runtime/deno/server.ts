import { listen } from "./http-server-deno.ts";
import { runServer } from "./server.ts";

await runServer({ listen, cli: "deno task cli" });
