import type { Directory, DirectoryUser, SealpostEvent } from "sealpost/plugin";

/** An event, and what can be found out about it. */
export interface Scene {
  readonly event: SealpostEvent;
  /** Null: there is none. */
  readonly directory: Directory | null;
  /** Settings of the plugin: addresses of local admins, by name. */
  readonly adminAddresses: Readonly<Record<string, string>>;
  /** Whom the event is about; null: nobody, or nobody whom the directory knows. */
  readonly owner: DirectoryUser | null;
}

export async function sceneOf(parts: Omit<Scene, "owner">): Promise<Scene> {
  const username = said(parts.event, "user");
  const realm = said(parts.event, "realm");
  const isNamed = username !== "" && parts.directory !== null;
  const owner = isNamed ? await parts.directory.find({ username, ...(realm === "" ? {} : { realm }) }) : null;
  return { ...parts, owner };
}

/** What the event says under a name, as a text; empty: nothing. */
export function said({ data }: Pick<SealpostEvent, "data">, name: string): string {
  const value = Object.hasOwn(data, name) ? data[name] : undefined;
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Name of the definition, policy or the like that the event is about; empty: none. */
export function identifierOf(event: Pick<SealpostEvent, "data">): string {
  return said(event, "identifier") || said(event, "name");
}
