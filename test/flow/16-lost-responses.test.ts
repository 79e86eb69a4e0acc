import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { openDatabase } from "../../src/storage/open-database.ts";
import { realRandomBytes } from "../fixtures/instance.ts";
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

const RITA = {
  ...{ username: "rita", surname: "Lee", givenname: "Rita", email: "rita@example.org" },
  password: "a long enough one",
};
