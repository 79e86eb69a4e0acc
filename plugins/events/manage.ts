import type { Context } from "hono";
import { SealpostError } from "sealpost";
import type { Env } from "sealpost/plugin";
import type { EventsContext } from "./config.ts";
import type { GivenBinding } from "./schema.ts";
import type { Binding, BindingStore } from "./store.ts";
import { NO_SECRETS, sealSecrets } from "./webhook-options.ts";
import type { DeliveryStore } from "./webhook-store.ts";
import { WEBHOOK } from "./webhooks.ts";

/** Bindings, as admins see and change them. Each change is committed with its audit row, and returns the id. */
interface Bindings {
  /** @throws {SealpostError} `resource_not_found`. */
  get(id: number): Promise<Binding>;
  /**
   * @param id the binding to replace; `undefined` to create one.
   * @throws {SealpostError} `resource_not_found`, or what `sealSecrets` throws.
   */
  save(c: Context<Env>, id: number | undefined, given: GivenBinding): Promise<number>;
  /** @throws {SealpostError} `resource_not_found`. */
  setActive(c: Context<Env>, id: number, active: boolean): Promise<number>;
  /** @throws {SealpostError} `resource_not_found`. */
  remove(c: Context<Env>, id: number): Promise<number>;
}

export interface ManageDeps extends Pick<EventsContext, "store" | "audit" | "secrets" | "random"> {
  readonly bindings: BindingStore;
  readonly deliveries: DeliveryStore;
}

export function createBindings(deps: ManageDeps): Bindings {
  const { store, audit, bindings, deliveries } = deps;
  const rowOf = (c: Context<Env>, id: number) =>
    audit.row(c, { success: true, identifier: String(id) }, "ifChanged");
  return {
    async get(id) {
      const row = await bindings.find(id);
      if (row) return row;
      throw notFound();
    },
    async save(c, id, { row: shown, secrets }) {
      const stored = id === undefined ? undefined : await bindings.find(id);
      if (id !== undefined && !stored) throw notFound();
      const url = shown.options.url ?? "";
      const isWebhook = shown.action === WEBHOOK;
      const sealed = isWebhook ? await sealSecrets(deps, secrets, { url, stored }) : NO_SECRETS;
      const row = { ...shown, ...sealed };
      const entry = { success: true, identifier: row.name, info: row.event.join(",") };
      if (id !== undefined) {
        assertChanged(await store.commit([bindings.set(id, row), audit.row(c, entry, "ifChanged")]));
        return id;
      }
      const [[added]] = await store.commit([bindings.insert(row), audit.row(c, entry)]);
      if (!added) throw new TypeError("An insert returns its row");
      return added.id;
    },
    async setActive(c, id, active) {
      assertChanged(await store.commit([bindings.set(id, { active }), rowOf(c, id)]));
      return id;
    },
    async remove(c, id) {
      assertChanged(await store.commit([bindings.remove(id), rowOf(c, id), deliveries.cancel(id)]));
      return id;
    },
  };
}

/** @throws {SealpostError} `resource_not_found`. */
function assertChanged([changed]: readonly [{ readonly rowsAffected: number }, ...unknown[]]): void {
  if (changed.rowsAffected === 0) throw notFound();
}

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested Event handler could not be found.");
}
