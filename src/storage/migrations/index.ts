import core from "./0001_core.sql" with { type: "text" };

/** Every migration in order. A published one is never edited. */
export const MIGRATIONS = [{ name: "0001_core", sql: core }] as const;
