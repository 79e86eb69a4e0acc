import { expect, test } from "bun:test";
import { readAuthorities } from "../../../src/runtime/local/authorities.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";

if (openssl === null) console.warn("Skipped: certificate authorities; openssl is not installed");
const material = openssl === null ? null : makeTlsMaterial();
const [ca, other] = [material?.ca ?? "", material?.untrusted.cert ?? ""];

test.skipIf(material === null)(
  "readAuthorities() gives each certificate of a text or a file by itself",
  async () => {
    using folder = temporaryFolder();
    const bundle = `# Ours\n${ca}\n# Theirs\n${other}`;
    const path = `${folder.path}/bundle.pem`;
    await Bun.write(path, bundle);
    for (const setting of [bundle, path]) {
      expect(await readAuthorities(setting)).toEqual([ca.trim(), other.trim()]);
    }
    expect(await readAuthorities("")).toEqual([]);
  },
);

test.skipIf(material === null)(
  "readAuthorities() rejects a bundle of which one certificate is damaged, and a key",
  async () => {
    const damaged = other.replace(/\n.{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
    for (const setting of [ca + damaged, material?.good.key ?? ""]) {
      await expect(readAuthorities(setting)).rejects.toMatchObject({
        code: "bad_setting",
        parameter: "SEALPOST_TLS_CA",
      });
    }
  },
);
