import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { badSetting, codeOf } from "../invalid-setting.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * The certificates that `SEALPOST_TLS_CA` names, each as PEM.
 * @param setting PEM text, or the path of a file with it; empty for none.
 * @throws {SealpostError} `bad_setting` if there is no certificate, or one cannot be read.
 */
export async function readAuthorities(setting: string): Promise<readonly string[]> {
  if (setting === "") return [];
  const text = setting.includes("-----BEGIN") ? setting : await readPem(setting);
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length > 0 && certificates.every(isCertificate)) return certificates;
  throw badSetting("SEALPOST_TLS_CA", "SEALPOST_TLS_CA: expected certificates as PEM");
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw badSetting(
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
    // What is wrong inside it helps nobody.
    return false;
  }
}
