import type { Platform } from "../../contracts/platform.ts";
import { addressKey, type Mailbox, senderOf } from "../../domain/mailbox.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { invalidParameter, type SealpostError } from "../../errors.ts";
import { addressProblem, inspectSource } from "./check-identity.ts";

/**
 * Asserts that a caller may send as `from` through each of these definitions: it is the definition's sender, or an address
 * that the certificate of a definition that signs names, and named when the key was given.
 * @param from `null` for the sender of each definition
 * @throws {SealpostError} `invalid_parameter`, which names `server` for an unknown definition, else `from`.
 */
export type AssertSender = (identifiers: readonly string[], from: Mailbox | null) => Promise<void>;

/** Creates the check of senders. */
export function createAssertSender({
  loadServer,
  platform,
}: {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly platform: Pick<Platform, "now">;
}): AssertSender {
  async function isAllowed(server: ResolvedServer, from: Mailbox): Promise<boolean> {
    const own = senderOf(server);
    if (own !== null && addressKey(own.address) === addressKey(from.address)) return true;
    if (server.signing === null) return false;
    const { identity } = await inspectSource(server.signing, platform.now());
    return (
      identity !== null && addressProblem(identity, await server.signing.givenFor(), from.address) === null
    );
  }

  return async (identifiers, from) => {
    for (const identifier of identifiers) {
      const server = await loadServer(identifier);
      if (server === null) throw unknownServer(identifier);
      if (from === null || (await isAllowed(server, from))) continue;
      throw invalidParameter(
        "from",
        `expected the sender of ${identifier}, or an address of its certificate`,
      );
    }
  };
}

/** The error for a definition that does not exist. */
export function unknownServer(identifier: string): SealpostError {
  return invalidParameter("server", `no definition is named ${identifier}`);
}
