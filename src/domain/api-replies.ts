import type { FailureCode, Phase, SmtpReply } from "./delivery.ts";
import { type KnownReply, matchesReply, OWN_ADDRESS, PASSWORD } from "./known-reply.ts";
import type { MailApi } from "./smtp-server.ts";

/** A row whose reply has a failure code. */
type ApiReply = KnownReply & { readonly code: FailureCode };

const USERNAME = { parameter: "username", value: null } as const;

/**
 * Errors of Microsoft Graph: "Microsoft Graph error responses", "Automate creating, sending, and processing messages" and
 * the response codes of Exchange Web Services (learn.microsoft.com), which Graph passes on.
 */
const GRAPH: readonly ApiReply[] = [
  {
    codes: [401],
    // InvalidAuthenticationToken.
    code: "auth_rejected",
    hint: "graph_token_scope",
  },
  {
    words: /^ErrorSendAsDenied\b/,
    code: "sender_rejected",
    hint: "graph_send_as",
    remedy: OWN_ADDRESS,
  },
  {
    words:
      /^(MailboxNot(EnabledForRESTAPI|SupportedForRESTAPI)|ResourceNotFound|Request_ResourceNotFound|ErrorInvalidUser|ErrorNonExistentMailbox)\b/,
    code: "sender_rejected",
    hint: "graph_no_mailbox",
    remedy: USERNAME,
  },
  {
    words: /^(ErrorMessageSubmissionBlocked|ErrorAccountSuspend|ErrorQuotaExceeded)\b/,
    code: "sender_rejected",
    hint: "graph_blocked",
  },
  { words: /^Error(Exceeded(Hourly)?Message|ExceededMaxRecipient)Limit\b/, code: "rate_limited" },
  {
    words: /^(ApplicationThrottled|TooManyRequests|ErrorServerBusy|ErrorTooManyRequests)\b/,
    code: "rate_limited",
  },
  {
    words: /^(ErrorInvalidRecipients|ErrorMissingRecipients|ErrorRecipientNotFound)\b/,
    code: "recipient_rejected",
  },
  {
    words: /^(ErrorMessageSizeExceeded|ErrorMimeContentTooLarge|RequestEntityTooLarge)\b/i,
    code: "too_large",
  },
  {
    codes: [403],
    // ErrorAccessDenied.
    code: "sender_rejected",
    hint: "graph_permission",
  },
  // The mailbox is part of the URL.
  { codes: [404], code: "sender_rejected" },
];

/**
 * Errors of Amazon SES: "SendEmail" of the API v2, "Common Errors" and "Amazon SES email sending errors"
 * (docs.aws.amazon.com/ses).
 */
const SES: readonly ApiReply[] = [
  {
    words: /^(RequestExpired|RequestTimeTooSkewed)\b|\bsignature (expired|not yet current)\b/i,
    code: "auth_rejected",
    hint: "aws_time",
  },
  {
    words: /^(SignatureDoesNotMatch|InvalidSignature(Exception)?|IncompleteSignature(Exception)?)\b/,
    code: "auth_rejected",
    hint: "aws_secret",
    remedy: PASSWORD,
  },
  {
    words:
      /^(InvalidClientTokenId|UnrecognizedClient(Exception)?|InvalidAccessKeyId|MissingAuthenticationToken(Exception)?|ExpiredToken(Exception)?)\b/,
    code: "auth_rejected",
    hint: "aws_key_unknown",
    remedy: USERNAME,
  },
  {
    words: /^AccessDenied(Exception)?\b/,
    code: "sender_rejected",
    hint: "aws_permission",
  },
  {
    words: /^(MailFromDomainNotVerified(Exception)?\b|MessageRejected\b.*\bnot verified\b)/,
    code: "sender_rejected",
    hint: "ses_unverified",
    remedy: OWN_ADDRESS,
  },
  {
    words: /^(AccountSuspended|SendingPaused|AccountSendingPaused)(Exception)?\b/,
    code: "sender_rejected",
    hint: "ses_paused",
  },
  { words: /^(TooManyRequests|LimitExceeded|Throttling)(Exception)?\b/, code: "rate_limited" },
  {
    words: /^(MessageRejected|BadRequest(Exception)?)\b.*\b(message|size)\b.*\b(too long|too large|exceed)/i,
    code: "too_large",
  },
  {
    words:
      /^(BadRequest|InvalidParameterValue)(Exception)?\b.*\b(illegal address|missing final|domain (contains|name)|local address)/i,
    code: "recipient_rejected",
  },
  { words: /^(MessageRejected|InvalidParameterValue)\b/, code: "content_rejected" },
  { codes: [401, 403], code: "auth_rejected" },
];

export const API_REPLIES: Readonly<Record<MailApi, readonly ApiReply[]>> = { graph: GRAPH, ses: SES };

/** The meaning of HTTP statuses (RFC 9110 15.5, RFC 6585 4) that no row of an API has. */
const BY_STATUS: ReadonlyMap<number, FailureCode> = new Map([
  [400, "content_rejected"],
  [408, "timeout"],
  [413, "too_large"],
  [429, "rate_limited"],
]);

/** The step at which SMTP has the failure. */
const PHASES: Readonly<Partial<Record<FailureCode, Phase>>> = {
  auth_rejected: "auth",
  sender_rejected: "sender",
  recipient_rejected: "recipient",
};

/**
 * Returns phase and failure code of an error response. The status comes first where HTTP gives it one meaning, then the
 * name of the error. A status of 500 and above is a fault of the server that passes. Any other one that is not known may
 * be a wrong `api_url`, so the message is not at fault: `protocol`.
 * @param reply `code` is the HTTP status, and `text` starts with the name of the error.
 */
export function apiFailure(
  api: MailApi,
  reply: SmtpReply,
): { readonly phase: Phase; readonly code: FailureCode } {
  const { code: status } = reply;
  const isExact = status === 413 || status === 429 || status >= 500;
  const known = isExact ? undefined : API_REPLIES[api].find((row) => matchesReply(row, "data", reply));
  const code = known?.code ?? BY_STATUS.get(status) ?? (status >= 500 ? "refused" : "protocol");
  return { phase: PHASES[code] ?? "data", code };
}
