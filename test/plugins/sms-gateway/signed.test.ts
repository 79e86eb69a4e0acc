import { expect, test } from "bun:test";
import PostalMime from "postal-mime";
import { emailToken } from "sealpost/plugins/email-token";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { testInstance } from "../../fixtures/instance.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";

const MODULE = "privacyidea.lib.smsprovider.SmtpSMSProvider.SmtpSMSProvider";

test.skipIf(!isInstalled("openssl"))(
  "openssl verifies the message to the gateway, and the code in it is accepted",
  async () => {
    await using it = await testInstance({ plugins: [smsGateway(), emailToken()] });
    const { key, certificate, root, intermediate } = await sender("p256");
    const post = (path: string, json: object) => it.request("POST", path, { json });
    await post("/smtpserver/default", {
      ...{ server: "mail.example.org", sender: SENDER, smime: true, dont_send_on_error: true },
      ...{ private_key: key, certificate: certificate + intermediate.certificate },
    });
    const gateway = { name: "default", module: MODULE, "option.MAILTO": "{phone}@sms.example.org" };
    await post("/smsgateway", gateway);
    const enrolled = await post("/token/init", {
      type: "sms",
      phone: "+49 170 1234567",
      user: "ann",
      pin: "1234 pin",
    });
    expect(enrolled.value).toBe(true);
    const asked = await post("/validate/check", { user: "ann", pass: "1234 pin" });
    const { transaction_id } = asked.detail as { readonly transaction_id: string };

    const verified = await opensslVerify(it.sent[0]?.bytes ?? new Uint8Array(), root);
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    const { text = "" } = await PostalMime.parse(verified.stdout);
    const [pass = ""] = /\b\d{6,8}\b/.exec(text) ?? [];
    expect((await post("/validate/check", { user: "ann", pass, transaction_id })).value).toBe(true);
  },
);

test("a test SMS is in the client's language", async () => {
  await using it = await testInstance({ plugins: [smsGateway()] });
  await it.request("POST", "/smtpserver/default", { json: { server: "mail.example.org", sender: SENDER } });
  const gateway = { name: "default", module: MODULE, "option.MAILTO": "{phone}@sms.example.org" };
  await it.request("POST", "/smsgateway", { json: gateway });
  const json = { name: "default", phone: "+49 170 1234567" };
  await it.request("POST", "/smsgateway/send_test_sms", { json, headers: { "Accept-Language": "de" } });
  const { text } = await PostalMime.parse(it.sent[0]?.bytes ?? new Uint8Array());
  expect(text?.trim()).toBe("Dies ist ein Test von Sealpost");
});
