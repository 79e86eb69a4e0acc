import * as v from "valibot";
import type { Principal } from "../domain/admin.ts";
import { named } from "../wire/schemas.ts";

/** Clients of privacyIDEA read it: 30 is its level "warning". */
const LOG_LEVEL = 30;

const name = (maxCharacters: number) =>
  v.optional(
    v.pipe(
      v.string("expected a text"),
      v.maxLength(maxCharacters, `expected at most ${maxCharacters} characters`),
    ),
    "",
  );
/** Parameters of `POST /auth`. */
export const logInParams = v.object({
  username: name(511),
  password: v.optional(v.string("expected a text"), ""),
  realm: name(255),
});

/** A session as `POST /auth` shows it. */
export const sessionView = named(
  "Session",
  v.object({
    token: v.string(),
    role: v.literal("admin"),
    username: v.string(),
    realm: v.string(),
    rights: v.array(v.string()),
    auth: v.literal(true),
    log_level: v.number(),
    menus: v.array(v.string()),
  }),
);

export const EXAMPLE = {
  body: { username: "admin", password: "correct horse" },
  value: toSessionView({
    token: "eyJhbGciOiJIUzI1NiJ9.…",
    principal: { username: "admin", realm: "" },
    rights: ["smtpserver_read", "smtpserver_write"],
  }),
};

export function toSessionView({
  token,
  principal: { username, realm },
  rights,
}: {
  readonly token: string;
  readonly principal: Pick<Principal, "username" | "realm">;
  readonly rights: readonly string[];
}): v.InferOutput<typeof sessionView> {
  return {
    token,
    role: "admin",
    username,
    realm,
    rights: [...rights],
    auth: true,
    log_level: LOG_LEVEL,
    menus: [],
  };
}
