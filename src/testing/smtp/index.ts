export { beginAuth, type Turn, type Users } from "./auth.ts";
export type { TestConnection } from "./connection.ts";
export {
  close,
  closeMidReply,
  endless,
  garbage,
  halfClose,
  halfLine,
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
export {
  type KeyPair,
  type ReceivedMail,
  type ServerStep,
  type SmtpTestServer,
  type SmtpTestServerOptions,
  startSmtpServer,
} from "./server.ts";
