import { WORKERD } from "./fixtures/workerd.ts";
import { runFlows } from "./run.ts";

runFlows(WORKERD);
