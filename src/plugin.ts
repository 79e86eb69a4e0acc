/**
 * `sealpost/plugin`, for plugin authors: `definePlugin`, `route`, the types of the context, and schemas and texts.
 * @example
 * ```ts
 * import { definePlugin, route } from "sealpost/plugin";
 * import * as v from "valibot";
 *
 * export const hello = definePlugin({
 *   name: "hello",
 *   options: v.strictObject({}),
 *   setup: () => ({
 *     routes: [route({ method: "GET", path: "/hello", open: true, response: v.string() }, () => "Hello")],
 *   }),
 * });
 * ```
 * @module
 */

export { matchesName } from "./access/pattern.ts";
export type {
  KeptTable,
  Migration,
  RowsStatement,
  SelectStatement,
  Statement,
  WriteStatement,
} from "./contracts/database.ts";
export type {
  Directory,
  DirectoryLookAlikes,
  DirectoryLookup,
  DirectoryUser,
  NewUser,
  UserName,
} from "./contracts/directory.ts";
export type { Env } from "./contracts/env.ts";
export type { PluginAuditEntry } from "./contracts/plugin/audit.ts";
export type { Capabilities, CapabilityName, PluginContext } from "./contracts/plugin/context.ts";
export type {
  DrainBounds,
  Plugin,
  PluginDefinition,
  PluginFactory,
  PluginInstance,
} from "./contracts/plugin/definition.ts";
export type { EventHandler, SealpostEvent } from "./contracts/plugin/events.ts";
export type { HttpOutcome, PluginHttpRequest } from "./contracts/plugin/http.ts";
export type { RateLimit, RateLimitPlan, RateLimitResult } from "./contracts/plugin/limits.ts";
export type { SubmitOptions, SubmitOutcome } from "./contracts/plugin/mail.ts";
export type { PasswordOptions, SealedColumns } from "./contracts/plugin/secrets.ts";
export type { Setting, Settings, SettingValues } from "./contracts/plugin/settings.ts";
export type { PluginStore } from "./contracts/plugin/store.ts";
export type { ChosenRight, ParameterSchemas, Route, Tag } from "./contracts/route.ts";
export type { Sms, SmsOutcome, TextMessage } from "./contracts/sms.ts";
export type { Principal } from "./domain/admin.ts";
export { MAX_CLOCK_SKEW_MS } from "./domain/clock.ts";
export { addressKey, domainOf, parseAddress, parseMailbox } from "./domain/mailbox.ts";
export { type GivenName, type LookupNames, lookupNames, nameKey } from "./domain/names.ts";
export { type CidrBlock, isSafeUrl, parseCidr } from "./domain/network.ts";
export { NOTICES, type Notice, type NoticeCode, notice } from "./domain/notices.ts";
export { HOLD_MS } from "./domain/queued-mail.ts";
export { CENSORED } from "./domain/secret.ts";
export { invalidParameter, missingParameter, missingRight } from "./errors.ts";
export { type CheckCodeLinks, type CodeLinkOptions, codeLinks } from "./plugin/code-links.ts";
export { definePlugin, setting } from "./plugin/define.ts";
export { createFindUser, type FindUser } from "./plugin/find-user.ts";
export { lookAlikeKeys } from "./plugin/look-alikes.ts";
export {
  accountName,
  jsonObject,
  mailAddress,
  newPassword,
  personName,
  phoneNumber,
  serverName,
  serverNames,
  spelledName,
  userName,
  webOrigins,
} from "./plugin/schemas.ts";
export {
  checkTemplate,
  escapeHtml,
  language,
  type MessageTemplates,
  render,
  renderMessage,
  templateText,
} from "./plugin/texts.ts";
export { isOneOf, matchesPattern } from "./storage/conditions.ts";
export { isConstraintError } from "./storage/errors.ts";
export { deliveryView } from "./wire/delivery.ts";
export {
  noticeDetail,
  noticeEntries,
  respond,
  type Success,
  usedByDetail,
  usedByEntries,
  type Verdict,
} from "./wire/envelope.ts";
export { IDEMPOTENCY_HEADER } from "./wire/operation.ts";
export { type RouteDeclaration, route, type TypedRoute, tagged } from "./wire/route.ts";
export { described, named, pageOf, pageParams, pageView, wholeNumber } from "./wire/schemas.ts";
