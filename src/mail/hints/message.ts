import { unknownValue } from "../../domain/delivery.ts";
import { FULL_WORDS, RELAY_WORDS } from "../../smtp/failures.ts";
import {
  excludesLogin,
  type HintContext,
  type HintRule,
  hasClientCertificate,
  hasDetail,
  hasNoUsername,
  hasReply,
  hasWords,
  isEncrypted,
  isPermanent,
  isTemporary,
  lacksStartTls,
  otherPort,
  TLS_ON,
} from "./rule.ts";

const SUBMISSION_PORT = 587;
const isFull = (context: HintContext): boolean =>
  hasDetail(/^2\.2$/)(context) || hasWords(FULL_WORDS)(context);

/** Hints for failures of the login, the addresses and the message, and of Sealpost itself. The first match wins. */
export const MESSAGE_HINTS: readonly HintRule[] = [
  {
    code: "auth_not_offered",
    when: isTemporary,
    hint: "login_temporary",
  },
  {
    code: "auth_not_offered",
    when: excludesLogin,
    hint: "login_mechanism_missing",
    remedy: { parameter: "auth_mechanism", value: "auto" },
  },
  {
    code: "auth_not_offered",
    when: (context) => !isEncrypted(context) && !lacksStartTls(context),
    hint: "login_needs_tls",
    remedy: TLS_ON,
  },
  {
    code: "auth_not_offered",
    when: hasReply,
    hint: "login_none_accepted",
  },
  {
    code: "auth_not_offered",
    hint: "login_none_known",
  },
  {
    code: "auth_rejected",
    when: isTemporary,
    hint: "login_busy",
  },
  {
    // Sealpost sends no empty password.
    code: "auth_rejected",
    when: (context) => !hasReply(context),
    hint: "password_empty",
    remedy: unknownValue("password"),
  },
  {
    // Without TLS, CRAM-MD5 is tried first. A server with saslauthd lists it but always rejects it.
    code: "auth_rejected",
    when: (context) => !isEncrypted(context),
    hint: "login_clear_rejected",
    remedy: unknownValue("password"),
  },
  {
    code: "auth_rejected",
    hint: "login_rejected",
    remedy: unknownValue("password"),
  },
  {
    code: "auth_required",
    when: (context) => hasNoUsername(context) && hasClientCertificate(context),
    hint: "relay_certificate",
  },
  {
    code: "auth_required",
    phase: "recipient",
    when: hasNoUsername,
    hint: "relay_needs_login",
    remedy: unknownValue("username"),
  },
  {
    code: "auth_required",
    when: hasNoUsername,
    hint: "login_required",
    remedy: unknownValue("username"),
  },
  {
    code: "auth_required",
    hint: "login_incomplete",
  },
  {
    code: "sender_missing",
    hint: "sender_missing",
    remedy: unknownValue("sender"),
  },
  {
    code: "sender_rejected",
    when: isTemporary,
    hint: "sender_temporary",
  },
  {
    code: "sender_rejected",
    when: hasDetail(/^1\.[78]$|^7\.27$/),
    hint: "sender_domain",
    remedy: unknownValue("sender"),
  },
  {
    code: "sender_rejected",
    when: hasDetail(/^7\.2[0-46]$/),
    hint: "sender_unverified",
  },
  {
    code: "sender_rejected",
    hint: "sender_rejected",
    remedy: unknownValue("sender"),
  },
  {
    code: "recipient_rejected",
    when: (context) => hasWords(RELAY_WORDS)(context) || hasDetail(/^7\.(54|64)$/)(context),
    hint: "relay_denied",
  },
  {
    code: "recipient_rejected",
    when: (context) => isTemporary(context) && isFull(context),
    hint: "mailbox_full_temporary",
  },
  {
    code: "recipient_rejected",
    when: isTemporary,
    hint: "recipient_temporary",
  },
  {
    code: "recipient_rejected",
    // RFC 5321 4.2.3: 552 is "exceeded storage allocation", here of the mailbox.
    when: (context) => context.reply?.code === 552 || isFull(context),
    hint: "mailbox_full",
  },
  {
    code: "recipient_rejected",
    when: (context) => hasDetail(/^7\.1$/)(context) && hasNoUsername(context),
    hint: "recipient_needs_login",
  },
  {
    code: "recipient_rejected",
    hint: "recipient_rejected",
    remedy: unknownValue("recipient"),
  },
  {
    code: "content_rejected",
    when: isTemporary,
    hint: "content_temporary",
  },
  {
    code: "content_rejected",
    hint: "content_rejected",
  },
  {
    code: "too_large",
    when: isTemporary,
    hint: "no_room",
  },
  {
    code: "too_large",
    hint: "too_large",
  },
  {
    code: "rate_limited",
    when: isPermanent,
    hint: "sending_limit",
  },
  {
    code: "rate_limited",
    hint: "rate_limited",
  },
  {
    code: "sign_no_key",
    hint: "key_missing",
  },
  {
    code: "sign_passphrase",
    hint: "passphrase_wrong",
    remedy: unknownValue("private_key_password"),
  },
  {
    code: "sign_mismatch",
    hint: "certificate_of_other_key",
    remedy: unknownValue("certificate"),
  },
  {
    code: "sign_expired",
    hint: "signer_dates",
    remedy: unknownValue("certificate"),
  },
  {
    code: "sign_usage",
    hint: "signer_usage",
    remedy: unknownValue("certificate"),
  },
  {
    code: "sign_sender",
    hint: "signer_sender",
    remedy: unknownValue("sender"),
  },
  {
    code: "encrypt_no_certificate",
    hint: "recipient_certificate",
    remedy: unknownValue("recipient_certificate"),
  },
  {
    code: "unsupported_here",
    phase: "connect",
    hint: "workers_port_25",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "unsupported_here",
    phase: "certificate",
    hint: "client_certificate_unsupported",
    remedy: unknownValue("tls_certificate"),
  },
  {
    code: "unsupported_here",
    hint: "smtputf8_missing",
  },
  {
    code: "server_unknown",
    hint: "definition_missing",
  },
  { code: "cancelled", hint: "shutting_down" },
];
