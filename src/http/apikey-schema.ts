import * as v from "valibot";
import { suggestion } from "../domain/nearest.ts";
import { parseCidr } from "../domain/network.ts";
import type { Right } from "../domain/policy.ts";
import { described, entries, named } from "../wire/schemas.ts";
import { identifierText } from "./smtpserver-schema.ts";

const MAX_NAME_CHARACTERS = 64;
/** RFC 3339 5.6. */
const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
const EXPECTED_MOMENT = "expected a time with its zone, such as 2027-01-31T12:00:00Z";
/** The audit log has the name in parentheses. */
const NAME = /^[^\p{C}\p{Zl}\p{Zp}()]+$/u;

const name = v.pipe(
  v.string("expected a text"),
  v.transform((text) => text.trim()),
  v.maxLength(MAX_NAME_CHARACTERS, `expected at most ${MAX_NAME_CHARACTERS} characters`),
  v.regex(NAME, "expected a name without parentheses and control characters"),
);

const moment = v.pipe(
  v.string(EXPECTED_MOMENT),
  v.check((text) => text === "" || (MOMENT.test(text) && !Number.isNaN(Date.parse(text))), EXPECTED_MOMENT),
  v.transform((text) => (text === "" ? null : new Date(text))),
);

/** Parameters of `POST /apikey/`. @param known every right that exists */
export function apiKeyParams(known: readonly Right[]) {
  return v.object({
    name: described(name, "Shown in the audit log with the admin who created the key"),
    rights: described(
      v.pipe(
        entries(
          (entry) => known.includes(entry),
          (wrong) => `expected ${known.join(", ")}${suggestion(wrong, known)}`,
        ),
        v.minLength(1, "expected at least one right"),
      ),
      "Rights that the key has, as far as the admin who created it has them",
    ),
    servers: v.optional(
      described(
        v.pipe(
          entries((entry) => v.is(identifierText, entry), "expected names of definitions"),
          v.transform((list) => list.map((entry) => entry.normalize("NFC"))),
        ),
        "Definitions to which `mail_send` and the `smtpserver_` rights are limited. Empty for all",
      ),
      [],
    ),
    client: v.optional(
      described(
        entries((entry) => parseCidr(entry) !== null, "expected IP addresses or CIDR blocks"),
        "IP addresses or CIDR blocks from which the key is accepted. Empty for all",
      ),
      [],
    ),
    expires_at: v.optional(described(moment, "RFC 3339. Empty if the key does not expire"), ""),
  });
}

/** The id of a key in a path. */
export const apiKeyIdParams = v.object({ id: described(v.string(), "UUID of the key") });

/** The key itself is shown this once. */
export const createdApiKeyView = v.object({ id: v.string(), key: v.string() });

const texts = v.array(v.string());
const shownMoment = described(v.string(), "RFC 3339");
const shownMomentOrNull = described(v.nullable(v.string()), "RFC 3339");

/** A key as `GET` shows it. */
export const apiKeyView = named(
  "ApiKey",
  v.object({
    id: v.string(),
    name: v.string(),
    rights: texts,
    servers: texts,
    client: texts,
    administrator: described(v.string(), "The admin who created it"),
    realm: v.string(),
    created_at: shownMoment,
    expires_at: shownMomentOrNull,
    last_used_at: described(shownMomentOrNull, "At most an hour older than the last use"),
  }),
);

export const EXAMPLE = {
  body: { name: "shop", rights: ["mail_send"], servers: ["main"], client: ["192.0.2.0/24"] },
  value: {
    id: "5a0c6a5e-3f0e-4d5b-9a53-1f2c3d4e5f60",
    key: "sp_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE",
  },
};
