import { runServer } from "../local/server.ts";
import { listen } from "./http-server.ts";
import { collectWhenIdle } from "./idle-collection.ts";

collectWhenIdle();
await runServer({ listen });
