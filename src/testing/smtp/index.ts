export { type TestCertificates, testCertificates } from "./certificates.ts";
export {
  close,
  closeMidReply,
  delay,
  endless,
  garbage,
  halfClose,
  halfLine,
  hangUp,
  hugeLine,
  type Misbehavior,
  mixedCodes,
  type Peer,
  reply,
  replyAndClose,
  stall,
  then,
  times,
  trickle,
  twice,
  when,
} from "./misbehavior.ts";
export type {
  BdatMode,
  KeyPair,
  LoginAttempt,
  ReceivedMessage,
  Script,
  ServerLimits,
  ServerStep,
  SmtpTestConnection,
  SmtpTestServer,
  SmtpTestServerOptions,
} from "./options.ts";
export type { Accounts, Users } from "./sasl.ts";
export { startSmtpServer } from "./server.ts";
