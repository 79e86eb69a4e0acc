import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { codeOf, invalidSetting } from "../invalid-setting.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Reads the certificates of `SEALPOST_TLS_CA`, each as PEM.
 * @param setting PEM text or the path of a PEM file. If empty, there are none.
 * @throws {SealpostError} `bad_setting` if it has no certificate, or one that cannot be parsed.
 */
export async function readAuthorities(setting: string): Promise<readonly string[]> {
  if (setting === "") return [];
  const text = setting.includes("-----BEGIN") ? setting : await readPem(setting);
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length > 0 && certificates.every(isCertificate)) return certificates;
  throw invalidSetting("SEALPOST_TLS_CA", "SEALPOST_TLS_CA: expected certificates as PEM");
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw invalidSetting(
      "SEALPOST_TLS_CA",
      `SEALPOST_TLS_CA: the file ${path} cannot be read${codeOf(cause)}`,
      cause,
    );
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    // The parser's error would not help to find the broken certificate.
    return false;
  }
}
