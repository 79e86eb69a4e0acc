import { type Message, SealpostError } from "sealpost";
import { render, type SealpostEvent } from "sealpost/plugin";
import { allHold, listOf } from "./conditions.ts";
import { type Context, readAdmins } from "./config.ts";
import { type Scene, sceneOf } from "./context.ts";
import { companionOf, type WHO } from "./form.ts";
import { type Found, RECIPIENT_KINDS, type Recipient } from "./recipients.ts";
import type { Binding, Bindings } from "./store.ts";
import { languageOf, TEXTS, tagValues } from "./texts.ts";

const HOUR_SECONDS = 3_600;
/** More of them want a mailing list. */
const MOST_RECIPIENTS = 100;
const DEFAULT_RECIPIENT = "tokenowner";

/**
 * Makes what mails when something happens. It runs after what it watches, and queues its mails; whatever keeps one from
 * being sent is a failure that the audit log tells of.
 */
export function createHandler(ctx: Context, bindings: Bindings) {
  const failed = (binding: Binding, { event }: Scene, info: string, recipient = "") =>
    ctx.audit.write(null, {
      action: `event ${event.name}`,
      success: false,
      identifier: binding.name,
      recipient,
      info,
    });

  async function send(binding: Binding, scene: Scene, recipient: Recipient, replyTo: readonly Recipient[]) {
    const { address } = recipient.mailbox;
    const max = await ctx.settings.get("events.mails_per_hour");
    const plan = await ctx.limits.plan({ key: `mail ${address}`, max, windowSeconds: HOUR_SECONDS });
    const { allowed } = plan.result(await ctx.store.commit(plan.consume));
    if (!allowed) return failed(binding, scene, "too many mails to this address", address);
    const message = composed(binding, scene, recipient, replyTo);
    const outcome = await ctx.mail.submit(listOf(binding.options.emailconfig ?? ""), message, {
      queue: true,
    });
    if (outcome.state === "failed") await failed(binding, scene, outcome.failure.code, address);
  }

  function composed(
    { options }: Binding,
    scene: Scene,
    recipient: Recipient,
    replyTo: readonly Recipient[],
  ): Message {
    const values = tagValues({ scene, recipient, baseUrl: ctx.baseUrl });
    const language = languageOf(options.language);
    const texts = TEXTS[language];
    const own = options.body ?? "";
    const html = own || texts.html;
    // Filters distrust a message of HTML alone; for an admin's own HTML there is no text to send beside it.
    const text = options.mimetype === "html" && own !== "" ? null : own || texts.body;
    return {
      to: [recipient.mailbox],
      subject: render(options.subject || texts.subject, values, { line: true }),
      ...(text === null ? {} : { text: render(text, values) }),
      ...(options.mimetype === "html" ? { html: render(html, values, { html: true }) } : {}),
      language,
      ...(replyTo.length > 0 ? { replyTo: replyTo.map(({ mailbox }) => mailbox) } : {}),
    };
  }

  async function carryOut(binding: Binding, scene: Scene): Promise<void> {
    const found = await whoIs("To", binding, scene);
    if ("nobody" in found) return failed(binding, scene, `nobody to send to: ${found.nobody}`);
    if (found.length > MOST_RECIPIENTS)
      return failed(binding, scene, `more than ${MOST_RECIPIENTS} recipients`);
    const replyTo = await whoIs("reply_to", binding, scene);
    for (const recipient of found) {
      await send(binding, scene, recipient, "nobody" in replyTo ? [] : replyTo);
    }
  }

  return async (event: SealpostEvent): Promise<void> => {
    const meant = await bindings.of(event.name);
    if (meant.length === 0) return;
    const adminAddresses = readAdmins(await ctx.settings.get("events.admins"));
    const scene = await sceneOf({ event, adminAddresses, directory: ctx.capabilities.find("directory") });
    for (const binding of meant.filter(({ conditions }) => allHold(conditions, scene))) {
      try {
        await carryOut(binding, scene);
      } catch (error) {
        ctx.log.error("{binding} could not be carried out: {error}", { binding: binding.name, error });
        await failed(binding, scene, error instanceof SealpostError ? error.code : "internal");
      }
    }
  };
}

async function whoIs(who: (typeof WHO)[number], { options }: Binding, scene: Scene): Promise<Found> {
  const kind = options[who] || (who === "To" ? DEFAULT_RECIPIENT : "");
  const companion = options[companionOf(who, kind)] ?? "";
  return RECIPIENT_KINDS[kind]?.find(companion, scene) ?? { nobody: "nobody is named" };
}
