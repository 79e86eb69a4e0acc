export type { InjectedFailure } from "../transport/memory.ts";
export {
  type SentMail,
  type TestClock,
  type TestSealpost,
  type TestSealpostOptions,
  testSealpost,
} from "./test-sealpost.ts";
