import { describe, expect, test } from "bun:test";
import { PRIVACYIDEA_CLIENTS, type PrivacyIdeaClient } from "../../fixtures/client-forms.ts";
import { PEER } from "../../fixtures/instance.ts";
import { started, transactionOf, verdictOf } from "./support.ts";

const USER = "jörg ä@corp.example";
const PINS = ["s@lt", "1+1 9%41", "größe & 100%"];
const ACCEPTED = [200, true, "ACCEPT"];
const REJECTED = [200, false, "REJECT"];
const CHALLENGED = [200, false, "CHALLENGE"];

/** Parameters that clients send beside name and password. */
const FURTHER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  FreeRADIUS: { client: "192.0.2.7", resConf: "" },
  "nextcloud-app": { timeout: "30" },
  "ldap-proxy": { realm: "" },
};

describe("a login with the requests of", () => {
  test.each(PRIVACYIDEA_CLIENTS.map((client): [string, PrivacyIdeaClient] => [client.name, client]))(
    "%s",
    async (name, client) => {
      await using it = await started({ trustedClients: [PEER] });
      const send = (params: Readonly<Record<string, string>>) =>
        it.request("POST", "/validate/check", {
          ...client.post({ ...params, ...FURTHER[name] }),
          token: null,
        });
      for (const [index, pin] of PINS.entries()) {
        const user = `${index} ${USER}`;
        await it.post("/user/", { username: user, email: `joerg${index}@example.org` });
        await it.enroll({ user, pin });
        expect(verdictOf(await send({ user, pass: `${pin}x` }))).toEqual(REJECTED);
        expect(verdictOf(await send({ user, pass: "" }))).toEqual(REJECTED);
        const challenge = await send({ user, pass: pin });
        expect(verdictOf(challenge)).toEqual(CHALLENGED);
        const transaction = {
          [name === "FreeRADIUS" ? "state" : "transaction_id"]: transactionOf(challenge),
        };
        expect(verdictOf(await send({ user, pass: "000000x", ...transaction }))).toEqual(REJECTED);
        const pass = await it.code();
        expect(verdictOf(await send({ user, pass, ...transaction }))).toEqual(ACCEPTED);
      }
    },
  );
});
