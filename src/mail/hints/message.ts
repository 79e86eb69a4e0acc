import { unknownValue } from "../../domain/delivery.ts";
import { RELAY_WORDS } from "../../smtp/failures.ts";
import {
  type HintRule,
  hasClientCertificate,
  hasDetail,
  hasNoUsername,
  hasReply,
  hasWords,
  isEncrypted,
  isTemporary,
  otherPort,
  TLS_ON,
} from "./rule.ts";

const SUBMISSION_PORT = 587;

/** Hints for failures of the login, the addresses and the message, and of Sealpost itself. The first match wins. */
export const MESSAGE_HINTS: readonly HintRule[] = [
  {
    code: "auth_not_offered",
    when: isTemporary,
    hint: "The server cannot check the login at the moment. Try again later.",
  },
  {
    code: "auth_not_offered",
    when: (context) => !isEncrypted(context),
    hint: "The server accepts no login in clear text: set tls to true, or leave username empty if it needs none.",
    remedy: TLS_ON,
  },
  {
    code: "auth_not_offered",
    when: hasReply,
    hint: "The server rejected every kind of login that it lists (PLAIN, LOGIN, CRAM-MD5). Leave username empty if it needs none, or try port 587.",
  },
  {
    code: "auth_not_offered",
    hint: "The server offers no login that Sealpost knows (PLAIN, LOGIN, CRAM-MD5). Leave username empty if it needs none, or try port 587.",
  },
  {
    code: "auth_rejected",
    when: isTemporary,
    hint: "The server cannot check the login at the moment. Wait and try again later.",
  },
  {
    // Without TLS, CRAM-MD5 is tried first. A server with saslauthd lists it but always rejects it.
    code: "auth_rejected",
    when: (context) => hasReply(context) && !isEncrypted(context),
    hint: "The server rejected username and password. If both are right, set tls to true, or auth_mechanism to plain if the server cannot check CRAM-MD5.",
    remedy: unknownValue("password"),
  },
  {
    code: "auth_rejected",
    hint: "The server rejected username and password. Many providers require an app password.",
    remedy: unknownValue("password"),
  },
  {
    code: "auth_required",
    when: (context) => hasNoUsername(context) && hasClientCertificate(context),
    hint: "The server does not relay for this client certificate alone. Ask its operator to allow tls_certificate, or set username and password.",
  },
  {
    code: "auth_required",
    phase: "recipient",
    when: hasNoUsername,
    hint: "The server does not relay without authentication. Set username and password.",
    remedy: unknownValue("username"),
  },
  {
    code: "auth_required",
    when: hasNoUsername,
    hint: "The server requires a login. Set username and password.",
    remedy: unknownValue("username"),
  },
  {
    code: "auth_required",
    hint: "The server requires a login that it did not get. Check username and password, and whether this account may send.",
  },
  {
    code: "sender_missing",
    hint: "The message has no sender. Set sender, or set username to an email address.",
    remedy: unknownValue("sender"),
  },
  {
    code: "sender_rejected",
    when: isTemporary,
    hint: "The server does not accept this sender at the moment. Try again later.",
  },
  {
    code: "sender_rejected",
    when: hasDetail(/^1\.[78]$|^7\.27$/),
    hint: "The server rejected the domain of the sender. Set sender to an address whose domain receives mail.",
    remedy: unknownValue("sender"),
  },
  {
    code: "sender_rejected",
    when: hasDetail(/^7\.2[0-46]$/),
    hint: "The server could not verify the domain of the sender. Publish the SPF and DKIM records that your provider names, or set sender to an address of another domain.",
  },
  {
    code: "sender_rejected",
    hint: "The server rejected the sender. Use an address that this account may send from.",
    remedy: unknownValue("sender"),
  },
  {
    code: "recipient_rejected",
    when: (context) => hasWords(RELAY_WORDS)(context) || hasDetail(/^7\.(54|64)$/)(context),
    hint: "The server does not relay mail of this account to this recipient. Ask its operator whether the account may send to other domains.",
  },
  {
    code: "recipient_rejected",
    when: (context) => isTemporary(context) && hasDetail(/^2\.2$/)(context),
    hint: "The recipient's mailbox is full. Try again later.",
  },
  {
    code: "recipient_rejected",
    when: isTemporary,
    hint: "The server does not accept mail for this recipient at the moment. Try again later.",
  },
  {
    code: "recipient_rejected",
    when: hasDetail(/^2\.2$/),
    hint: "The recipient's mailbox is full. Ask the recipient to make room, or use another address.",
  },
  {
    code: "recipient_rejected",
    when: (context) => hasDetail(/^7\.1$/)(context) && hasNoUsername(context),
    hint: "The server rejected this recipient. If it requires a login, set username and password.",
  },
  {
    code: "recipient_rejected",
    hint: "The server rejected this recipient. Check the address.",
    remedy: unknownValue("recipient"),
  },
  {
    code: "content_rejected",
    when: isTemporary,
    hint: "The server does not accept this message at the moment. Try again later.",
  },
  {
    code: "content_rejected",
    hint: "The server rejected the content of the message. Its reply has the reason.",
  },
  {
    code: "too_large",
    when: isTemporary,
    hint: "The server has no room for a message of this size at the moment. Try again later.",
  },
  {
    code: "too_large",
    hint: "The message is larger than the server accepts. Send a smaller one, for example without attachments.",
  },
  {
    code: "rate_limited",
    when: (context) => hasReply(context) && !isTemporary(context),
    hint: "The account or the server has reached a sending limit. Wait until it resets, or raise it at the provider.",
  },
  {
    code: "rate_limited",
    hint: "The server does not accept more at the moment. Try again later, or set mails_per_minute to a lower value.",
  },
  {
    code: "sign_no_key",
    hint: "Signing needs a key. Set private_key and certificate to PEM text, or set smime to false.",
  },
  {
    code: "sign_passphrase",
    hint: "The private key cannot be decrypted. Set private_key_password to its passphrase.",
    remedy: unknownValue("private_key_password"),
  },
  {
    code: "sign_mismatch",
    hint: "The certificate does not belong to the private key. Set certificate to the one that was issued for this key.",
    remedy: unknownValue("certificate"),
  },
  {
    code: "sign_expired",
    hint: "The certificate is outside its dates. Set certificate to a new one for this sender.",
    remedy: unknownValue("certificate"),
  },
  {
    code: "sign_usage",
    hint: "The certificate may not sign mail. Set certificate to one with the purpose emailProtection.",
    remedy: unknownValue("certificate"),
  },
  {
    code: "sign_sender",
    hint: "The certificate does not name the sender. Set sender to an address that it names.",
    remedy: unknownValue("sender"),
  },
  {
    code: "encrypt_no_certificate",
    hint: "A recipient has no certificate to encrypt to. Set certificate of the user, or send recipient_certificate.",
    remedy: unknownValue("recipient_certificate"),
  },
  {
    code: "unsupported_here",
    phase: "connect",
    hint: "Cloudflare does not let Workers connect to port 25. Use 587, or smtps:// on 465.",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "unsupported_here",
    phase: "certificate",
    hint: "This runtime cannot show the client certificate. Send from Bun, Deno or Node with an RSA or P-256 key, or clear tls_certificate.",
    remedy: unknownValue("tls_certificate"),
  },
  {
    code: "unsupported_here",
    hint: "The server does not accept addresses outside ASCII (no SMTPUTF8). Use one in ASCII.",
  },
  {
    code: "server_unknown",
    hint: "No definition has this name. Create it, or use the identifier of another one.",
  },
  { code: "cancelled", hint: "Sealpost was shutting down. Send the message again." },
];
