import type { Directory, DirectoryUser, SealpostEvent } from "sealpost/plugin";
import type { RecipientBounds } from "./bounds.ts";

/** An event and what handlers know about it. */
export interface HandlerContext {
  readonly event: SealpostEvent;
  /** `null` if no plugin provides a directory. */
  readonly directory: Directory | null;
  readonly bounds: RecipientBounds;
  /** Addresses of local admins, by name. */
  readonly adminAddresses: Readonly<Record<string, string>>;
  /** The user of the event; `null` if there is none, or the directory does not have the user. */
  readonly owner: DirectoryUser | null;
}

export async function createHandlerContext(given: Omit<HandlerContext, "owner">): Promise<HandlerContext> {
  const { event, directory } = given;
  const username = eventField(event, "user");
  const realm = eventField(event, "realm");
  const isNamed = username !== "" && directory !== null;
  const owner = isNamed ? await directory.find({ username, ...(realm === "" ? {} : { realm }) }) : null;
  return { ...given, owner };
}

/** Returns a field of the event's data as text, or an empty text if there is none. */
export function eventField({ data }: Pick<SealpostEvent, "data">, name: string): string {
  const value = Object.hasOwn(data, name) ? data[name] : undefined;
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Returns the name of the definition, policy or other resource of the event, or an empty text if there is none. */
export function identifierOf(event: Pick<SealpostEvent, "data">): string {
  return eventField(event, "identifier") || eventField(event, "name");
}
