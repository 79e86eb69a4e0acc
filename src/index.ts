/**
 * `sealpost`, for host apps: an instance to mount, and its functions to send mail. Plugin authors import from
 * `sealpost/plugin`, and authors of transports, wakes and databases from `sealpost/driver`.
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createSealpost } from "sealpost";
 * import { openDrivers } from "sealpost/bun";
 *
 * const sealpost = createSealpost(await openDrivers({ databaseUrl: "file:data/sealpost.db" }));
 * await sealpost.start();
 * const app = new Hono().route("/mail", sealpost.app);
 * ```
 * @module
 */

export type { RekeyResult } from "./access/rekey.ts";
export type { SealpostApp } from "./app.ts";
export type { MailOptions } from "./contracts/plugin/mail.ts";
export type { Mailbox } from "./domain/mailbox.ts";
export type { Attachment, Mailboxes, Message } from "./domain/message.ts";
export { SealpostError, type SealpostErrorCode } from "./errors.ts";
export type { SmimeResult } from "./mail/build.ts";
export type { RecipientResult } from "./mail/deliver.ts";
export type { SkippedServer, Submit, SubmitResult } from "./mail/submission.ts";
export { createSealpost, type DrainOptions, type Sealpost, type SealpostOptions } from "./sealpost.ts";
export { generateKey } from "./secrets/keyring.ts";
export { VERSION } from "./version.ts";
