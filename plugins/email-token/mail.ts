import { type Message, render } from "sealpost";
import { isOrigin, type Settings } from "./config.ts";
import { type Language, TEXTS } from "./texts.ts";

/** A longer word would have to be encoded in the header, which nobody reads. */
const MOST_ORIGIN_CHARACTERS = 50;

/** The mail that brings a code. */
export function mailMessage(
  {
    address,
    code,
    language,
  }: { readonly address: string; readonly code: string; readonly language: Language },
  settings: Settings,
  values: Readonly<Record<string, string>>,
  baseUrl: string,
): Message {
  const builtIn = TEXTS[language];
  const ownText = settings["email.text"];
  const ownHtml = settings["email.html"];
  // Who writes a text of his own and no HTML wants plain text.
  const html = ownHtml || (ownText ? "" : builtIn.html);
  return {
    to: [{ name: "", address }],
    subject: render(known(settings["email.subject"]) || builtIn.subject, values, { line: true }),
    text: render(known(ownText) || builtIn.text, values),
    ...(html === "" ? {} : { html: render(known(html), values, { html: true }) }),
    language,
    headers: otpTokenHeader(code, settings["email.origin"] || baseUrl),
  };
}

/** `<otp>` and `<serial>` are what old templates of the reference say. */
function known(template: string): string {
  return template.replaceAll(/<(otp|serial)>/g, "{$1}");
}

/** What a mail program may fill in at the origin, and nowhere else (draft-goto-otp-token). */
function otpTokenHeader(code: string, place: string): Readonly<Record<string, string>> {
  if (!isOrigin(place)) return {};
  const { origin } = new URL(place);
  return origin.length > MOST_ORIGIN_CHARACTERS ? {} : { "OTP-Token": `"${code}"; origin="${origin}"` };
}
