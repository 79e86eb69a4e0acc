import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { openDatabase } from "../../src/storage/open-database.ts";
import { realRandomBytes, testInstance } from "../fixtures/instance.ts";
import { NO_SQLD, type RoundTripProxy, startCountedDatabase } from "../fixtures/round-trips.ts";
import {
  codeByMail,
  NEW_PASSWORD,
  passwordIs,
  recoveryInstance,
  reset,
} from "../plugins/recovery/fixtures/users.ts";
import { confirm, lastCode, register, started, usersOf } from "../plugins/registration/setup.ts";

setDefaultTimeout(60_000);

describe.skipIf(NO_SQLD !== null)(
  `a commit whose response is lost${NO_SQLD === null ? "" : ` (${NO_SQLD})`}`,
  () => {
    const opened = ({ url }: RoundTripProxy) => ({
      database: openDatabase({ url, randomBytes: realRandomBytes, requestTimeoutMs: 20_000 }),
    });
    const dropCommitOf = (proxy: RoundTripProxy, text: RegExp) =>
      proxy.dropResponse(({ statements, isCommit }) => isCommit && statements.some((one) => text.test(one)));

    test("sets a password by a recovery code and reports success", async () => {
      await using proxy = await startCountedDatabase();
      await using instance = await recoveryInstance({}, opened(proxy));
      const code = await codeByMail(instance);
      const lost = dropCommitOf(proxy, /update "directory_user" set "password_hash"/i);
      const answer = reset(instance, code);
      await lost;
      expect(await answer).toMatchObject({ status: 200, value: true });
      expect(await passwordIs(instance, NEW_PASSWORD)).toBe(true);
      expect((await reset(instance, code)).value).toBe(false);
    });

    test("claims a recovery code for the request that has it", async () => {
      await using proxy = await startCountedDatabase();
      await using instance = await recoveryInstance({}, opened(proxy));
      const code = await codeByMail(instance);
      const lost = dropCommitOf(proxy, /update "recovery_code"/i);
      const answer = reset(instance, code);
      await lost;
      expect(await answer).toMatchObject({ status: 200, value: true });
    });

    test("starts a transaction, and its code is sent", async () => {
      await using proxy = await startCountedDatabase();
      await using instance = await testInstance({ ...opened(proxy), plugins: [directory(), emailToken()] });
      await instance.request("POST", "/smtpserver/default", { json: DEFINITION });
      const token = { type: "email", user: "ann", email: "ann@example.net", pin: "a pin" };
      await instance.request("POST", "/user/", { json: { username: "ann" } });
      await instance.request("POST", "/token/init", { json: token });
      const lost = dropCommitOf(proxy, /INSERT INTO email_token_challenge/i);
      const answer = instance.request("POST", "/validate/triggerchallenge", { json: { user: "ann" } });
      await lost;
      expect(await answer).toMatchObject({ status: 200, value: 1 });
      expect(instance.sent.map(({ recipient }) => recipient)).toEqual(["ann@example.net"]);
    });

    test("reserves an idempotency key, and its message is sent once", async () => {
      await using proxy = await startCountedDatabase();
      await using instance = await testInstance(opened(proxy));
      const send = () =>
        instance.request("POST", "/smtpserver/send_test_email", {
          json: { ...DEFINITION, identifier: "main", recipient: "ann@example.net" },
          headers: { "Idempotency-Key": "one call" },
        });
      const lost = dropCommitOf(proxy, /insert into "idempotency"/i);
      const answers = [send(), send()];
      await lost;
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      expect(statuses).toContain(200);
      // The other call gets the response of the first, or comes before there is one.
      expect([200, 409]).toEqual(expect.arrayContaining(statuses));
      expect((await send()).status).toBe(200);
      expect(instance.sent).toHaveLength(1);
    });

    test("creates a user by a registration code and reports success", async () => {
      await using proxy = await startCountedDatabase();
      await using instance = await started({}, opened(proxy));
      const { id } = await register(instance, { ...RITA });
      const code = await lastCode(instance);
      const lost = dropCommitOf(proxy, /INSERT INTO "directory_user"/i);
      const answer = confirm(instance, id, code);
      await lost;
      expect((await answer).status).toBe(200);
      expect(await usersOf(instance)).toContain("rita");
    });
  },
);

const DEFINITION = { server: "mail.example.org", sender: "app@example.org" };
const RITA = {
  ...{ username: "rita", surname: "Lee", givenname: "Rita", email: "rita@example.org" },
  password: "a long enough one",
};
