export type { Users } from "./auth.ts";
export type { SmtpTestConnection } from "./connection.ts";
export {
  close,
  closeMidReply,
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
  trickle,
  twice,
} from "./misbehavior.ts";
export type {
  BdatMode,
  KeyPair,
  ReceivedMessage,
  Script,
  ServerStep,
  SmtpTestServer,
  SmtpTestServerOptions,
} from "./options.ts";
export { startSmtpServer } from "./server.ts";
