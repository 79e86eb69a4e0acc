import { type Message, SealpostError } from "sealpost";
import { type EventHandler, render } from "sealpost/plugin";
import type { RecipientBounds } from "./bounds.ts";
import { allHold, listOf } from "./conditions.ts";
import { type EventsContext, readAdmins } from "./config.ts";
import { createHandlerContext, type HandlerContext } from "./context.ts";
import { argumentOf, type RECIPIENT_OPTIONS } from "./form.ts";
import { RECIPIENT_KINDS, type Recipient } from "./recipients.ts";
import { PHONE_KINDS } from "./sms-recipients.ts";
import type { Binding, BindingStore } from "./store.ts";
import { languageOf, SMS_TEXT, TEXTS, tagValues } from "./texts.ts";
import { WEBHOOK, type Webhooks } from "./webhooks.ts";

const HOUR_SECONDS = 3_600;
/** More recipients need a mailing list. */
const MAX_RECIPIENTS = 100;
const DEFAULT_RECIPIENT = "tokenowner";

interface DispatchDeps
  extends Pick<
    EventsContext,
    "mail" | "store" | "settings" | "audit" | "limits" | "capabilities" | "log" | "baseUrl"
  > {
  readonly bindings: BindingStore;
  readonly webhooks: Webhooks;
  readonly bounds: RecipientBounds;
}

/**
 * Creates the handler of all events. It runs the bindings of an event after the fact, and queues their messages. The audit
 * log records what keeps a message from being sent.
 */
export function createDispatch(deps: DispatchDeps): EventHandler {
  const { settings, capabilities, log, bindings, bounds } = deps;
  return async (event) => {
    const bound = await bindings.of(event.name);
    if (bound.length === 0) return;
    const adminAddresses = readAdmins(await settings.get("events.admins"));
    const directory = capabilities.find("directory");
    const context = await createHandlerContext({ event, adminAddresses, directory, bounds });
    for (const binding of bound.filter(({ conditions }) => allHold(conditions, context))) {
      try {
        await run(deps, binding, context);
      } catch (error) {
        log.error("Cannot run the event binding {binding}: {error}", { binding: binding.name, error });
        await recordFailure(deps, binding, context, error instanceof SealpostError ? error.code : "internal");
      }
    }
  };
}

async function run(deps: DispatchDeps, binding: Binding, context: HandlerContext): Promise<void> {
  if (binding.action === "sendsms") return sendSms(deps, binding, context);
  if (binding.action !== WEBHOOK) return sendMail(deps, binding, context);
  const isRecorded = await deps.webhooks.record(binding, context.event);
  if (!isRecorded) await recordFailure(deps, binding, context, "too many webhooks wait");
}

async function sendSms(deps: DispatchDeps, binding: Binding, context: HandlerContext): Promise<void> {
  const { capabilities, baseUrl } = deps;
  const { options } = binding;
  const sms = capabilities.find("sms");
  if (sms === null) return recordFailure(deps, binding, context, "no plugin sends SMS");
  const kind = options.To || DEFAULT_RECIPIENT;
  const to = await PHONE_KINDS[kind]?.find(options[argumentOf("To", kind)] ?? "", context);
  if (to === undefined || "reason" in to)
    return recordFailure(deps, binding, context, `no recipients: ${to?.reason ?? "none is named"}`);
  if (to.length > MAX_RECIPIENTS)
    return recordFailure(deps, binding, context, `more than ${MAX_RECIPIENTS} recipients`);
  for (const recipient of to) {
    if (!(await mayReceive(deps, `sms ${recipient.phone}`))) {
      await recordFailure(deps, binding, context, "too many messages to this phone");
      continue;
    }
    const text = render(options.body || SMS_TEXT, tagValues({ context, recipient, baseUrl })).trim();
    const outcome = await sms.send(options.smsconfig ?? "", { phone: recipient.phone, text }, {});
    if (outcome.state === "failed") await recordFailure(deps, binding, context, outcome.code);
  }
}

/** Counts a message to one recipient. */
async function mayReceive({ store, settings, limits }: DispatchDeps, key: string): Promise<boolean> {
  const max = await settings.get("events.mails_per_hour");
  const plan = await limits.plan({ key, max, windowSeconds: HOUR_SECONDS });
  return plan.result(await store.commit(plan.consume)).allowed;
}

async function sendMail(deps: DispatchDeps, binding: Binding, context: HandlerContext): Promise<void> {
  const to = await resolveRecipients("To", binding, context);
  if ("reason" in to) return recordFailure(deps, binding, context, `no recipients: ${to.reason}`);
  if (to.length > MAX_RECIPIENTS) {
    return recordFailure(deps, binding, context, `more than ${MAX_RECIPIENTS} recipients`);
  }
  const replyTo = await resolveRecipients("reply_to", binding, context);
  for (const recipient of to) {
    await send(deps, binding, context, { recipient, replyTo: "reason" in replyTo ? [] : replyTo });
  }
}

async function send(
  deps: DispatchDeps,
  binding: Binding,
  context: HandlerContext,
  given: { readonly recipient: Recipient; readonly replyTo: readonly Recipient[] },
): Promise<void> {
  const { mail, baseUrl } = deps;
  const { address } = given.recipient.mailbox;
  if (!(await mayReceive(deps, `mail ${address}`)))
    return recordFailure(deps, binding, context, "too many messages to this address", address);
  const servers = listOf(binding.options.emailconfig ?? "");
  const message = compose(binding, context, { ...given, baseUrl });
  const outcome = await mail.submit(servers, message, { queue: true });
  if (outcome.state === "failed") {
    await recordFailure(deps, binding, context, outcome.failure.code, address);
  }
}

function compose(
  { options }: Binding,
  context: HandlerContext,
  given: {
    readonly recipient: Recipient;
    readonly replyTo: readonly Recipient[];
    readonly baseUrl: string;
  },
): Message {
  const { recipient, replyTo, baseUrl } = given;
  const values = tagValues({ context, recipient, baseUrl });
  const language = languageOf(options.language);
  const texts = TEXTS[language];
  const custom = options.body ?? "";
  const isHtml = options.mimetype === "html";
  // Filters distrust messages with HTML alone, but there is no text to send next to an admin's own HTML.
  const text = isHtml && custom !== "" ? null : custom || texts.body;
  return {
    to: [recipient.mailbox],
    subject: render(options.subject || texts.subject, values, { line: true }),
    ...(text === null ? {} : { text: render(text, values) }),
    ...(isHtml ? { html: render(custom || texts.html, values, { html: true }) } : {}),
    language,
    ...(replyTo.length > 0 ? { replyTo: replyTo.map(({ mailbox }) => mailbox) } : {}),
  };
}

function recordFailure(
  { audit }: Pick<DispatchDeps, "audit">,
  { name }: Binding,
  { event }: HandlerContext,
  info: string,
  recipient = "",
): Promise<void> {
  const action = `event ${event.name}`;
  return audit.write(null, { action, success: false, identifier: name, recipient, info });
}

async function resolveRecipients(
  option: (typeof RECIPIENT_OPTIONS)[number],
  { options }: Binding,
  context: HandlerContext,
) {
  const kind = options[option] || (option === "To" ? DEFAULT_RECIPIENT : "");
  const argument = options[argumentOf(option, kind)] ?? "";
  return RECIPIENT_KINDS[kind]?.find(argument, context) ?? { reason: "none is named" };
}
