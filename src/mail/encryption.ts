import type { Platform } from "../contracts/platform.ts";
import { BoundedCache } from "../domain/cache.ts";
import { addressKey, parseAddress } from "../domain/mailbox.ts";
import { invalidParameter } from "../errors.ts";
import { startOfEntity } from "../message/assemble.ts";
import type { RecipientCertificate } from "../smime/recipient.ts";

/** PEM texts by the address of the recipient. */
export type Certificates = Readonly<Record<string, string>>;

/** The encryption that the bytes of a message still need: each recipient gets a message of their own. */
export interface MessageEncryption {
  /** One certificate for each recipient who has one. */
  readonly certificates: Certificates;
  /** The final bytes for recipients without a certificate; `null` if all have one. */
  readonly clear: Uint8Array<ArrayBuffer> | null;
}

/** A recipient without a certificate that can be used. */
interface MissingCertificate {
  readonly address: string;
  /** Why, and what to do. */
  readonly reason: string;
}

/** The certificates of the recipients of a message. */
export interface FoundCertificates {
  readonly certificates: Certificates;
  readonly missing: readonly MissingCertificate[];
}

/** Finds the certificates of recipients, and encrypts messages to them. */
export interface Encryption {
  /**
   * Finds a certificate for each recipient: the one given, or that of the user with this address.
   * @param given certificates of the caller.
   */
  find(recipients: readonly string[], given: Certificates): Promise<FoundCertificates>;
  /** @throws {SealpostError} `invalid_parameter` for a certificate of the caller that cannot be used for its address. */
  assertUsable(given: Certificates, parameter: string): Promise<void>;
  /** Encrypts a message whose routing fields come first. @param certificate one that {@link Encryption.find} returned */
  encrypt(message: Uint8Array<ArrayBuffer>, certificate: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** Finds the certificates of the users with this address, as PEM texts; empty if there are none. */
export type CertificatesOf = (address: string) => Promise<string>;

/** Certificates that are kept parsed; each takes a few kilobytes. */
const MAX_PARSED = 1_024;

/** Creates the encryption of messages. Parsed certificates are cached; their dates are checked for each message. */
export function createEncryption({
  platform,
  certificatesOf,
}: {
  readonly platform: Pick<Platform, "now" | "randomBytes">;
  readonly certificatesOf: CertificatesOf;
}): Encryption {
  const found = new BoundedCache<RecipientCertificate>(MAX_PARSED);
  const loaded = new BoundedCache<RecipientCertificate["recipient"]>(MAX_PARSED);

  /** @returns the certificate, or why there is none */
  async function find(pem: string, address: string): Promise<RecipientCertificate | string> {
    const key = `${address}\n${pem}`;
    const now = platform.now();
    const cached = found.get(key);
    if (cached && cached.notBefore <= now && now <= cached.notAfter) return cached;
    const { findRecipient } = await import("../smime/recipient.ts");
    const result = await findRecipient(pem, address, now);
    if ("reason" in result) return result.reason;
    found.set(key, result.certificate);
    loaded.set(result.certificate.pem, result.certificate.recipient);
    return result.certificate;
  }

  async function load(certificate: string): Promise<RecipientCertificate["recipient"]> {
    const cached = loaded.get(certificate);
    if (cached) return cached;
    const { loadRecipient } = await import("../smime/recipient.ts");
    const recipient = await loadRecipient(certificate);
    loaded.set(certificate, recipient);
    return recipient;
  }

  return {
    async find(recipients, given) {
      const byAddress = new Map(Object.entries(given).map(([address, pem]) => [addressKey(address), pem]));
      const certificates: Record<string, string> = {};
      const missing: MissingCertificate[] = [];
      for (const address of recipients) {
        const pem = byAddress.get(addressKey(address)) ?? (await certificatesOf(address));
        const result = pem.trim() === "" ? none(address) : await find(pem, address);
        if (typeof result === "string") missing.push({ address, reason: result });
        else certificates[address] = result.pem;
      }
      return { certificates, missing };
    },

    async assertUsable(given, parameter) {
      for (const [address, pem] of Object.entries(given)) {
        const canonical = parseAddress(address);
        if (canonical === null) throw invalidParameter(parameter, "expected PEM texts by email address");
        const result = await find(pem, canonical);
        if (typeof result === "string") throw invalidParameter(parameter, result);
      }
    },

    async encrypt(message, certificate) {
      const { encryptEntity } = await import("../smime/encrypt.ts");
      const start = startOfEntity(message);
      const randomBytes = platform.randomBytes;
      const entity = await encryptEntity(message.subarray(start), await load(certificate), randomBytes);
      const bytes = new Uint8Array(start + entity.length);
      bytes.set(message.subarray(0, start));
      bytes.set(entity, start);
      return bytes;
    },
  };
}

function none(address: string): string {
  return `There is no certificate of ${address}: set certificate of this user, or send one along`;
}
