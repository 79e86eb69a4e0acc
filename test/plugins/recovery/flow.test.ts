import { expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { recovery } from "sealpost/plugins/recovery";
import { testSealpost } from "sealpost/testing";
import { deliveredMails } from "../../fixtures/delivered.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { isInstalled } from "../../fixtures/smime/openssl.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import { ANN, codeByMail, NEW_PASSWORD, recover, recoveryInstance, reset } from "./fixtures/users.ts";

test.skipIf(!isInstalled("openssl"))(
  "a signing definition signs the message, and its code sets a password",
  async () => {
    await using instance = await recoveryInstance();
    const { key, certificate, intermediate, root } = await sender("p256");
    const chain = certificate + intermediate.certificate;
    const signing = { private_key: key, certificate: chain, smime: true, dont_send_on_error: true };
    const definition = { server: "mail.example.org", sender: SENDER, ...signing };
    const saved = await instance.request("POST", "/smtpserver/default", { json: definition });
    expect(saved.status).toBe(200);
    const code = await codeByMail(instance);
    const verified = await opensslVerify(instance.sent[0]?.bytes ?? new Uint8Array(), root);
    expect([verified.code, verified.stderr]).toEqual([0, expect.stringContaining("successful")]);
    expect((await reset(instance, code)).value).toBe(true);
    expect(await deliveredMails(instance)).toHaveLength(2);
  },
);

test("a failure to sign changes nothing in the response", async () => {
  await using instance = await recoveryInstance();
  await instance.database.write.run("UPDATE smtp_server SET smime = 1, dont_send_on_error = 1");
  const [known, unknown] = [
    await recover(instance),
    await recover(instance, { user: "no", email: "no@example.net" }),
  ];
  expect({ ...known.body, time: 0 }).toEqual({ ...unknown.body, time: 0 });
  expect(await deliveredMails(instance)).toEqual([]);
});

test("recovery() works in a host app's tests", async () => {
  await using sealpost = await testSealpost({ plugins: [directory(), recovery({ enabled: true })] });
  const definition = { server: "mail.example.org", sender: "accounts@example.org" };
  await sealpost.request("/smtpserver/default", { json: definition });
  await sealpost.request("/user/", { json: ANN });
  await sealpost.request("/recover", { json: { user: "ann", email: ANN.email } });
  await sealpost.drain();
  const code = /code=(\w{24})/.exec(sealpost.sent[0]?.message.text ?? "")?.[1];
  const given = { user: "ann", recoverycode: code, password: NEW_PASSWORD };
  const response = await sealpost.request("/recover/reset", { json: given });
  expect(await response.json()).toMatchObject({ result: { value: true } });
});
