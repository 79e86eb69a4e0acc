export { matchesName } from "./access/pattern.ts";
export type { RekeyResult } from "./access/rekey.ts";
export type { AppSettings, SealpostApp } from "./app.ts";
export type { Database, KeptTable, Migration, Statement } from "./contracts/database.ts";
export type {
  Directory,
  DirectoryLookup,
  DirectoryUser,
  LookupNames,
  NewUser,
  UserName,
} from "./contracts/directory.ts";
export type { Env } from "./contracts/env.ts";
export type { Platform } from "./contracts/platform.ts";
export type { PluginAuditEntry } from "./contracts/plugin/audit.ts";
export type { Capabilities, CapabilityName } from "./contracts/plugin/capabilities.ts";
export type { PluginContext } from "./contracts/plugin/context.ts";
export type {
  Plugin,
  PluginDefinition,
  PluginFactory,
  PluginInstance,
} from "./contracts/plugin/definition.ts";
export type { EventHandler, SealpostEvent } from "./contracts/plugin/events.ts";
export type { RateLimit, RateLimitPlan, RateLimitResult } from "./contracts/plugin/limits.ts";
export type { SubmitOptions, SubmitOutcome } from "./contracts/plugin/mail.ts";
export type { PasswordOptions, SealedColumns } from "./contracts/plugin/secrets.ts";
export type { Setting, Settings, SettingValues } from "./contracts/plugin/settings.ts";
export type { ChosenRight, ParameterSchemas, Route, Tag } from "./contracts/route.ts";
export type { Sms, SmsOutcome, TextMessage } from "./contracts/sms.ts";
export type { Connect, Delivery, Transport } from "./contracts/transport.ts";
export { ConnectError } from "./contracts/transport.ts";
export type { Wake, WakeSource } from "./contracts/wake.ts";
export type { Principal } from "./domain/admin.ts";
export type { Failure, FailureCode, Phase, Receipt, SmtpReply, TlsPeer } from "./domain/delivery.ts";
export type { Mailbox } from "./domain/mailbox.ts";
export { domainOf, parseAddress, parseMailbox } from "./domain/mailbox.ts";
export type { Attachment, Mailboxes, Message } from "./domain/message.ts";
export { type CidrBlock, parseCidr } from "./domain/network.ts";
export { NOTICES, type Notice, type NoticeCode, notice } from "./domain/notices.ts";
export { Secret } from "./domain/secret.ts";
export type { ConnectionSettings, ResolvedServer } from "./domain/smtp-server.ts";
export { invalidParameter, missingParameter, SealpostError, type SealpostErrorCode } from "./errors.ts";
export type { SmimeResult } from "./mail/build.ts";
export type { RecipientResult } from "./mail/deliver.ts";
export type { SkippedServer, Submit, SubmitResult } from "./mail/submission.ts";
export { definePlugin, setting } from "./plugin/define.ts";
export {
  addressKey,
  mailAddress,
  nameKey,
  newPassword,
  personName,
  phoneNumber,
  serverNames,
  userName,
} from "./plugin/schemas.ts";
export { checkTemplate, escapeHtml, language, render, templateText } from "./plugin/texts.ts";
export { createSealpost, type DrainOptions, type Sealpost, type SealpostOptions } from "./sealpost.ts";
export { generateKey, type Keyring, parseKeyring } from "./secrets/keyring.ts";
export type { Drain, Drivers, InstanceSettings, InvocationDrains } from "./services.ts";
export { isConstraintError } from "./storage/errors.ts";
export { VERSION } from "./version.ts";
export { deliveryView } from "./wire/delivery.ts";
export { authenticated, respond, type Success, success, type Verdict } from "./wire/envelope.ts";
export { noticeDetail, noticeEntries } from "./wire/notices.ts";
export { operation } from "./wire/openapi.ts";
export { IDEMPOTENCY_HEADER } from "./wire/operation.ts";
export { pageOf } from "./wire/paging.ts";
export { type RouteDeclaration, route, type TypedRoute } from "./wire/route.ts";
export { described, wholeNumber } from "./wire/schemas.ts";
export { allParams, bodyParams, pathParams, queryParams } from "./wire/validate.ts";
