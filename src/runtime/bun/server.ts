import { listen } from "./http-server-bun.ts";
import { runServer } from "./server.ts";

await runServer({ listen, cli: "bun run cli" });
