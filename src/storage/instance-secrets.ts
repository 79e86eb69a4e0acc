import { eq } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { instance } from "./schema.ts";

export type InstanceSecretRepository = ReturnType<typeof createInstanceSecretRepository>;

/** Sealed facts about this instance, by name. */
export function createInstanceSecretRepository({ read, write }: Database) {
  return {
    /** Selects all of them. */
    select: () => read.select().from(instance),

    async read(name: string): Promise<string | undefined> {
      return (await read.select().from(instance).where(eq(instance.name, name)).get())?.value;
    },

    /** Affects no row if the name is there already: the first of several processes wins. */
    insert(name: string, value: string) {
      return write.insert(instance).values({ name, value }).onConflictDoNothing();
    },
  };
}
