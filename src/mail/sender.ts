import { type Mailbox, parseMailbox } from "../domain/mailbox.ts";
import type { ServerDefinition } from "../domain/smtp-server.ts";

/** The address mail comes from when the message names none: `sender`, else `username` if that is an address. */
export function senderOf({
  sender,
  username,
}: Pick<ServerDefinition, "sender" | "username">): Mailbox | null {
  return parseMailbox(sender === "" ? username : sender);
}
