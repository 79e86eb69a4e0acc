import type { Misbehavior } from "./misbehavior.ts";
import type { Script, ServerStep } from "./options.ts";

/** The misbehaviors of a server. Those of a connection take precedence. */
export interface Scripts {
  readonly ofServer: Map<ServerStep, Misbehavior | undefined>;
  readonly ofConnections: Map<number, Map<ServerStep, Misbehavior | undefined>>;
  readonly initial: (connection: number) => Script;
}

export function createScripts(option: Script | ((connection: number) => Script) = {}): Scripts {
  const initial = typeof option === "function" ? option : () => option;
  return { ofServer: new Map(), ofConnections: new Map(), initial };
}

/** Sets a step for all connections, including those with a script of their own. */
export function setForAll(scripts: Scripts, step: ServerStep, misbehavior: Misbehavior | undefined): void {
  scripts.ofServer.set(step, misbehavior);
  for (const own of scripts.ofConnections.values()) own.delete(step);
}

/** The script of one connection. */
export interface ConnectionScript {
  set(step: ServerStep, misbehavior: Misbehavior | undefined): void;
  /** Returns the misbehavior of a step. `undefined`: the proper reply. */
  get(step: ServerStep): Misbehavior | undefined;
}

export function scriptOf(scripts: Scripts, connection: number): ConnectionScript {
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
