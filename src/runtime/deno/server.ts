import { runServer } from "../local/server.ts";
import { listen } from "./http-server.ts";

await runServer({ listen });
