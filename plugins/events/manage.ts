import type { Context } from "hono";
import { SealpostError } from "sealpost";
import type { Env } from "sealpost/plugin";
import type { EventsContext } from "./config.ts";
import type { Binding, BindingStore, NewBinding } from "./store.ts";

/** Bindings, as admins see and change them. Each change is committed with its audit row, and returns the id. */
interface Bindings {
  /** @throws {SealpostError} `resource_not_found`. */
  get(id: number): Promise<Binding>;
  /** @param id the binding to replace; `undefined` to create one. @throws {SealpostError} `resource_not_found`. */
  save(c: Context<Env>, id: number | undefined, row: NewBinding): Promise<number>;
  /** @throws {SealpostError} `resource_not_found`. */
  setActive(c: Context<Env>, id: number, active: boolean): Promise<number>;
  /** @throws {SealpostError} `resource_not_found`. */
  remove(c: Context<Env>, id: number): Promise<number>;
}

export function createBindings({
  store,
  audit,
  bindings,
}: Pick<EventsContext, "store" | "audit"> & { readonly bindings: BindingStore }): Bindings {
  const rowOf = (c: Context<Env>, id: number) =>
    audit.row(c, { success: true, identifier: String(id) }, "ifChanged");
  return {
    async get(id) {
      const row = await bindings.find(id);
      if (row) return row;
      throw notFound();
    },
    async save(c, id, row) {
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
      assertChanged(await store.commit([bindings.remove(id), rowOf(c, id)]));
      return id;
    },
  };
}

/** @throws {SealpostError} `resource_not_found`. */
function assertChanged([changed]: readonly [{ readonly rowsAffected: number }, unknown]): void {
  if (changed.rowsAffected === 0) throw notFound();
}

function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested Event handler could not be found.");
}
