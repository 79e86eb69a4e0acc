import * as v from "valibot";
import { ADMIN_NAME_FORM, isAdminName } from "../domain/names.ts";
import { described, named } from "../wire/schemas.ts";

const name = v.pipe(v.string("expected a text"), v.check(isAdminName, `expected ${ADMIN_NAME_FORM}`));

/** The realm in a query. */
export const realmParams = v.object({
  realm: v.optional(described(v.string("expected a text"), "Realm of the admin; local admins have none"), ""),
});

/** The name in a path. */
export const adminPathParams = v.object({ username: described(name, "Unique in its realm") });

const changes = {
  realm: v.optional(
    described(
      v.pipe(
        v.string("expected a text"),
        v.check((text) => text === "" || isAdminName(text), `expected ${ADMIN_NAME_FORM}`),
      ),
      "Realm of the admin; local admins have none",
    ),
    "",
  ),
  // An empty one is not an absent one: it is rejected as too short.
  password: v.optional(
    described(
      v.string("expected a text"),
      "At least 8 characters, none of the 10,000 most used passwords, not the name. Required for a new admin",
    ),
  ),
  enabled: v.optional(described(v.boolean("expected true or false"), "A new admin is enabled by default")),
};
/** Parameters of `POST /admin/<username>`. */
export const adminChanges = v.object(changes);
/** Parameters of `POST /admin/`. */
export const adminParams = v.object({ username: adminPathParams.entries.username, ...changes });

/** An admin as `GET` shows one. */
export const adminView = named(
  "Admin",
  v.object({
    username: v.string(),
    realm: described(v.string(), "Empty for local admins"),
    enabled: v.boolean(),
  }),
);

/** An admin as a client saves one, and the response. */
export const EXAMPLE = {
  body: { username: "helpdesk", password: "a long passphrase" },
  value: true,
} as const;
