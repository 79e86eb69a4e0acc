import type { KeptTable } from "../contracts/database.ts";
import type { AuditActor } from "../domain/audit.ts";
import type { Epoch } from "../storage/epoch.ts";

/** Asserts that the caller may change where codes go. @throws {SealpostError} `action_denied`. */
export type AssertReroute = () => Promise<void>;

/** The plugins whose mail a definition, a gateway or a setting routes. */
export interface Usage {
  /** Names of plugins. */
  readonly plugins: readonly string[];
  /** False if a plugin did not list what it uses. */
  readonly isComplete: boolean;
}

/** A change of where mail of plugins goes. */
export interface RerouteChange {
  /** Name of the definition, gateway or setting. */
  readonly identifier: string;
  /** Names of the parameters that matter, comma-separated, or `created` or `deleted`. Empty if mail goes where it went. */
  readonly change: string;
}

/** The data of the event `smtpserver_rerouted`. */
interface RerouteData extends RerouteChange {
  readonly usedBy: readonly string[];
}

/** A change that may be made. */
export interface Reroute {
  /** Names of the plugins whose mail goes elsewhere. Empty if the change concerns none. */
  readonly usedBy: readonly string[];
  /** For the audit row. Empty if the change concerns no plugin. */
  readonly info: string;
  /** Emits the event, once the change is committed. */
  report(actor: AuditActor): void;
}

/** Authorizes and reports changes of where codes go. Whoever makes one can read them. */
export interface Reroutes {
  /**
   * Asserts that a change may be made. The commits of the request depend on what it was decided on.
   * @param assertReroute absent for the operator.
   * @throws {SealpostError} `action_denied`.
   */
  allow(change: RerouteChange, usage: () => Promise<Usage>, assertReroute?: AssertReroute): Promise<Reroute>;
}

const NO_REROUTE: Reroute = { usedBy: [], info: "", report: () => undefined };

/** Creates the authorization of such changes. */
export function createReroutes(deps: {
  readonly epoch: Pick<Epoch, "allowAlso">;
  /** The tables from which the usage follows. */
  readonly basis: readonly KeptTable<unknown>[];
  readonly emit: (actor: AuditActor, data: RerouteData) => void;
}): Reroutes {
  return {
    async allow(change, usage, assertReroute) {
      if (change.change === "") return NO_REROUTE;
      let usedBy: readonly string[] = [];
      await deps.epoch.allowAlso(async () => {
        const { plugins, isComplete } = await usage();
        usedBy = plugins;
        // A plugin that fails may use it.
        if (plugins.length > 0 || !isComplete) await assertReroute?.();
      }, deps.basis);
      if (usedBy.length === 0) return NO_REROUTE;
      return {
        usedBy,
        info: `rerouted (${change.change}), used by ${usedBy.join(",")}`,
        report: (actor) => deps.emit(actor, { ...change, usedBy }),
      };
    },
  };
}
