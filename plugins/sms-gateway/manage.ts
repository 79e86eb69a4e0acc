import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, invalidParameter, type PluginContext } from "sealpost/plugin";
import { OPTION_NAMES, OPTIONS, type OptionName, yieldsAddress } from "./schema.ts";
import type { GatewayInput, GatewayRow, GatewayStore } from "./store.ts";

/** Gateways, as admins see and change them. Each change is committed with its audit row. */
export interface Gateways {
  /** Returns the gateway with this number or name. @throws {SealpostError} `resource_not_found`. */
  get(numberOrName: string): Promise<GatewayRow>;
  /** Creates or replaces a gateway. @throws {SealpostError} `invalid_parameter`; `action_denied`. */
  save(c: Context<Env>, input: GatewayInput): Promise<ChangedGateway>;
  /** Deletes a gateway by its name. @throws {SealpostError} `resource_not_found`; `action_denied`. */
  remove(c: Context<Env>, name: string): Promise<ChangedGateway>;
  /**
   * Resets an option.
   * @throws {SealpostError} `resource_not_found`; `invalid_parameter` if the gateway needs it; `action_denied`.
   */
  reset(c: Context<Env>, id: string, key: OptionName): Promise<ChangedGateway>;
}

/** A gateway after a change. */
interface ChangedGateway {
  /** Its number. */
  readonly id: number;
  /** Names of the plugins whose codes go elsewhere now. */
  readonly usedBy: readonly string[];
}

/** The options that decide who reads the codes. The others are their wording. */
const ROUTE_OPTIONS: readonly OptionName[] = ["MAILTO", "REGEXP", "SMTPIDENTIFIER"];

/** Returns the options by which a change sends codes elsewhere, comma-separated. */
function routeChanges(stored: GatewayInput, next: GatewayInput): string {
  return ROUTE_OPTIONS.filter((name) => stored[OPTIONS[name].column] !== next[OPTIONS[name].column]).join(
    ",",
  );
}

/** The options with the text of an SMS. */
const TEXT_OPTIONS: readonly OptionName[] = ["SUBJECT", "BODY"];

/** Returns the problem with a template that has the text of an SMS, or `null`. */
export type CheckText = (template: string) => string | null;

export function createGateways({
  store,
  audit,
  guard,
  gateways,
  checkText,
}: Pick<PluginContext, "store" | "audit" | "guard"> & {
  readonly gateways: GatewayStore;
  readonly checkText: CheckText;
}): Gateways {
  return {
    async get(numberOrName) {
      const byNumber = /^\d{1,15}$/.test(numberOrName) ? await gateways.get(Number(numberOrName)) : undefined;
      const row = byNumber ?? (await gateways.find(numberOrName.normalize("NFC")));
      if (row) return row;
      throw notFound();
    },

    async save(c, input) {
      const { identifier } = input;
      c.set("auditTarget", { identifier, recipient: "" });
      if (!yieldsAddress(input)) {
        throw invalidParameter("option.MAILTO", "yields no email address for a number such as +491701234567");
      }
      for (const name of TEXT_OPTIONS) {
        const problem = checkText(input[OPTIONS[name].column]);
        if (problem !== null) throw invalidParameter(`option.${name}`, problem);
      }
      const fields = OPTION_NAMES.filter((name) => input[OPTIONS[name].column] !== "").join(",");
      const stored = await gateways.find(identifier);
      const reroute = await guard.rerouteGateway(
        c,
        identifier,
        stored ? routeChanges(stored, input) : "created",
      );
      const { info, usedBy } = reroute;
      await store.commit([gateways.put(input), audit.row(c, { success: true, identifier, fields, info })]);
      reroute.report();
      return { id: (await gateways.find(identifier))?.id ?? 0, usedBy };
    },

    async remove(c, name) {
      const identifier = name.normalize("NFC");
      c.set("auditTarget", { identifier, recipient: "" });
      const row = await gateways.find(identifier);
      const reroute = await guard.rerouteGateway(c, identifier, row ? "deleted" : "");
      const { info, usedBy } = reroute;
      const auditRow = audit.row(c, { success: true, identifier, info }, "ifChanged");
      const [removed] = await store.commit([gateways.remove(identifier), auditRow]);
      if (!row || removed.rowsAffected === 0) throw notFound();
      reroute.report();
      return { id: row.id, usedBy };
    },

    async reset(c, id, key) {
      const { column, required, fallback } = OPTIONS[key];
      c.set("auditTarget", { identifier: id, recipient: "" });
      if (required) throw invalidParameter("key", `a gateway needs ${key}`);
      const row = await gateways.get(Number(id));
      if (!row) throw notFound();
      if (!yieldsAddress({ ...row, [column]: fallback })) {
        throw invalidParameter("key", `MAILTO yields no email address without ${key}`);
      }
      const { identifier } = row;
      const reroute = await guard.rerouteGateway(
        c,
        identifier,
        routeChanges(row, { ...row, [column]: fallback }),
      );
      const { info, usedBy } = reroute;
      const change = gateways.set(row.id, { [column]: fallback });
      const entry = { success: true, identifier, fields: key, info };
      await store.commit([change, audit.row(c, entry, "ifChanged")]);
      reroute.report();
      return { id: row.id, usedBy };
    },
  };
}

export function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested SMSGateway could not be found.");
}
