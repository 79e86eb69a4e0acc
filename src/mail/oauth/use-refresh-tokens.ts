import { getLogger } from "@logtape/logtape";
import { Semaphore } from "../../async/semaphore.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { DefinitionTokens } from "../../oauth/access-tokens.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Circuit } from "../circuit.ts";

/** Less than the 30 days after which the first providers may revoke an idle refresh token. */
const MAX_IDLE_MS = 25 * 24 * 3_600_000;
/** One endpoint may not respond at all. Workers open six connections at a time. */
const MAX_CONCURRENT = 5;
const log = getLogger(["sealpost", "mail"]);

/**
 * Creates the daily use of the refresh tokens that no message has used for 25 days, because providers revoke idle ones.
 * One that fails is a failure of its definition's server. A definition that cannot be read does not prevent the others.
 */
export function createUseRefreshTokens(deps: {
  readonly repository: Pick<SmtpServerRepository, "list">;
  readonly tokensOf: (row: SmtpServerRow) => Promise<DefinitionTokens | null>;
  readonly circuit: Pick<Circuit, "observe">;
  readonly platform: Pick<Platform, "now">;
}): () => Promise<void> {
  const { repository, tokensOf, circuit, platform } = deps;

  async function use(row: SmtpServerRow): Promise<void> {
    const before = new Date(platform.now().getTime() - MAX_IDLE_MS);
    const result = await (await tokensOf(row))?.refreshIfUnused(before);
    if (result?.successful === false) await circuit.observe(row.identifier, result.failure);
  }

  const tryToUse = (row: SmtpServerRow): Promise<void> =>
    use(row).catch((error) =>
      log.error("Cannot use the refresh token of {identifier}: {error}", {
        identifier: row.identifier,
        error,
      }),
    );

  return async () => {
    const slots = new Semaphore(MAX_CONCURRENT);
    const rows = (await repository.list()).filter(({ oauthFlow }) => oauthFlow === "refresh_token");
    await Promise.all(rows.map((row) => slots.run(() => tryToUse(row))));
  };
}
