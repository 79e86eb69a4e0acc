import type { Platform } from "../../contracts/platform.ts";
import type { Notice } from "../../domain/notices.ts";
import { CENSORED, type Secret } from "../../domain/secret.ts";
import { missingParameter } from "../../errors.ts";
import { identityNotices, inspectForm } from "./check-identity.ts";
import { nothingStored } from "./definitions.ts";
import { describeInspection, type IdentityReport } from "./describe-identity.ts";
import { separateInput } from "./separate-identity.ts";

/** Key and certificate as a client sends them, and the sender that they would sign for. */
interface InspectInput {
  readonly privateKey: Secret;
  readonly privateKeyPassword: Secret;
  readonly certificate: string;
  readonly sender: string;
}

interface InspectResult {
  /** Whether a definition that signs could be saved with them. */
  readonly canSign: boolean;
  /** `null` without a certificate that belongs to the key. */
  readonly identity: IdentityReport | null;
  /** Reports what saving would report, or reject the definition for. */
  readonly notices: readonly Notice[];
}

/**
 * Inspects key and certificate as saving does, and stores nothing.
 * @throws {SealpostError} `missing_parameter` without both; `invalid_parameter` for a text that saving rejects always.
 */
export type InspectIdentity = (input: InspectInput) => Promise<InspectResult>;

export function createInspectIdentity({ now }: Pick<Platform, "now">): InspectIdentity {
  return async ({ sender, ...given }) => {
    if (given.privateKey.reveal() === CENSORED) throw nothingStored("privateKey");
    if (given.privateKeyPassword.reveal() === CENSORED) throw nothingStored("privateKeyPassword");
    const { privateKey, privateKeyPassword, certificate } = await separateInput(given);
    const key = { privateKey, privateKeyPassword };
    const inspection = await inspectForm({ smime: false, certificate }, key, now());
    if (inspection === null) throw missingParameter("private_key");
    const identity = await describeInspection(inspection, now());
    const isPair = !privateKey.isEmpty && certificate !== "";
    return {
      canSign: isPair && inspection.problems.length === 0,
      identity,
      notices: identityNotices(inspection, { sender, username: "" }),
    };
  };
}
