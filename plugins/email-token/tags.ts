import type { Context } from "hono";
import type { Env } from "sealpost";
import type { Owned } from "./owners.ts";

/** What every template may name, under the names that the reference has for it. */
const COMMON_TAGS = [
  ...["serial", "tokentype", "tokendescription"],
  ...["user", "givenname", "surname", "username", "userrealm", "realm"],
  ...["recipient_givenname", "recipient_surname"],
  ...["admin", "action", "client_ip", "time", "date", "url", "validtime"],
] as const;
export const PROMPT_TAGS: readonly string[] = COMMON_TAGS;
export const SMS_TAGS: readonly string[] = ["otp", ...COMMON_TAGS];
export const MAIL_TAGS = SMS_TAGS;

/** What the tags stand for; times in UTC. */
export function tagValues(
  c: Context<Env>,
  { token, owner }: Owned,
  said: { readonly now: Date; readonly url: string; readonly validtime: string },
): Readonly<Record<(typeof COMMON_TAGS)[number], string>> {
  const [date = "", time = ""] = said.now.toISOString().slice(0, 19).split("T");
  const { givenname = "", surname = "" } = owner ?? {};
  return {
    ...{ serial: token.serial, tokentype: token.type, tokendescription: token.description },
    ...{ user: givenname, givenname, surname, username: token.username },
    ...{ userrealm: token.realm, realm: token.realm },
    ...{ recipient_givenname: givenname, recipient_surname: surname },
    ...{ admin: c.get("actor")?.administrator ?? "", action: c.req.path },
    ...{ client_ip: c.get("clientAddress") ?? "", time, date, url: said.url, validtime: said.validtime },
  };
}

/** An address as far as it helps its owner to know which one it is. */
export function redactedAddress(address: string): string {
  const at = address.lastIndexOf("@");
  return `${[...address].slice(0, Math.min(1, at)).join("")}***${address.slice(at)}`;
}

export function redactedPhone(phone: string): string {
  return `***${phone.replace(/\D/g, "").slice(-2)}`;
}
