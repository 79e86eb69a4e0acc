import * as v from "valibot";
import type { BackupSource, RestoreTarget } from "../domain/backup.ts";
import { backupPage, restored, startedBackup } from "../http/backup-schema.ts";
import type { Api } from "./api.ts";

/** Calls a task of the operator. */
function post<S extends v.GenericSchema>(
  api: Api,
  path: readonly string[],
  body: Readonly<Record<string, unknown>>,
  value: S,
) {
  return api.call({ method: "POST", path: ["operator", ...path], body, value });
}

/** Creates what reads the instance behind a URL for a backup. */
export function remoteSource(api: Api): BackupSource {
  return {
    begin: async () => (await post(api, ["backup"], {}, startedBackup)).value,
    page: async (id, table, start) =>
      (await post(api, ["backup", "page"], { id, table, start }, backupPage)).value,
    async end(id) {
      await post(api, ["backup", "end"], { id }, v.literal(true));
    },
  };
}

/** Creates what restores into the instance behind a URL. */
export function remoteTarget(api: Api): RestoreTarget {
  return {
    begin: async (header, { replace }) =>
      (await post(api, ["restore"], { header, replace }, v.string())).value,
    async insert(id, table, rows) {
      await post(api, ["restore", "rows"], { id, table, rows }, v.literal(true));
    },
    finish: async (id, header, { replace }) =>
      (await post(api, ["restore", "finish"], { id, header, replace }, restored)).value,
  };
}
