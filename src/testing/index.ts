export type { InjectedFailure } from "../transport/memory.ts";
export type { TestClock } from "./clock.ts";
export { type SentMail, type TestSealpost, type TestSealpostOptions, testSealpost } from "./test-sealpost.ts";
