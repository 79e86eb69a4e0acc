import { OBJECT } from "./fixtures/object.ts";
import { runFlows } from "./run.ts";

runFlows(OBJECT);
