import type { Misbehavior } from "./misbehavior.ts";
import type { Script, ServerStep } from "./options.ts";

/** The misbehaviors of a server: a connection's own ones come first. */
export interface Scripts {
  readonly ofServer: Map<ServerStep, Misbehavior | undefined>;
  readonly ofConnections: Map<number, Map<ServerStep, Misbehavior | undefined>>;
  readonly initial: (connection: number) => Script;
}

export function createScripts(option: Script | ((connection: number) => Script) = {}): Scripts {
  const initial = typeof option === "function" ? option : () => option;
  return { ofServer: new Map(), ofConnections: new Map(), initial };
}

/** Changes a step for all connections, those with a script of their own included. */
export function setForAll(scripts: Scripts, step: ServerStep, misbehavior: Misbehavior | undefined): void {
  scripts.ofServer.set(step, misbehavior);
  for (const own of scripts.ofConnections.values()) own.delete(step);
}

/** The script of one connection. */
export function scriptOf(scripts: Scripts, connection: number) {
  const own = new Map<ServerStep, Misbehavior | undefined>();
  const initial = scripts.initial(connection);
  scripts.ofConnections.set(connection, own);
  return {
    set: (step: ServerStep, misbehavior: Misbehavior | undefined) => void own.set(step, misbehavior),
    get(step: ServerStep): Misbehavior | undefined {
      for (const map of [own, scripts.ofServer]) if (map.has(step)) return map.get(step);
      return initial[step];
    },
  };
}
