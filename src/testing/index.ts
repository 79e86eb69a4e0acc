export type { InjectedFailure } from "../transport/memory.ts";
export type { RoundTrips } from "./counted-database.ts";
export { type PluginReport, type TestPluginOptions, testPlugin } from "./test-plugin.ts";
export {
  type SentMail,
  type TestClock,
  type TestSealpost,
  type TestSealpostOptions,
  testSealpost,
} from "./test-sealpost.ts";
