import { expect } from "bun:test";
import { request } from "../../fixtures/process/api.ts";
import type { Flow } from "../flow.ts";

const PASSWORD = "the helpdesk's pässword";
const DEFINITION = { server: "mail.example.org" };
const SUPER = { scope: "admin", action: "*", adminuser: "admin" };
const READING = { scope: "admin", action: "smtpserver_read", adminuser: "helpdesk" };

export const POLICIES: readonly Flow[] = [
  {
    claim: "an API key works in three headers, for its rights and definitions, until it is deleted",
    async run({ origin, admin }) {
      for (const name of ["keyed", "unkeyed"]) await admin.save(name, DEFINITION);
      const given = { name: "program", rights: ["smtpserver_read"], servers: ["keyed"] };
      const { body } = await admin.call<{ readonly id: string; readonly key: string }>(
        "POST",
        "/apikey/",
        given,
      );
      const { id, key } = body.result.value ?? { id: "", key: "" };
      const get = async (path: string, headers: Record<string, string>) => {
        const { status, body } = await request(origin + path, { headers });
        return [status, body.result.error?.code];
      };
      const forms = [{ Authorization: `Bearer ${key}` }, { "PI-Authorization": key }, { "X-API-Key": key }];
      for (const headers of forms) {
        expect(await get("/smtpserver/keyed", headers)).toEqual([200, undefined]);
        expect(await get("/smtpserver/unkeyed", headers)).toEqual([403, 303]);
        expect(await get("/audit/", headers)).toEqual([403, 303]);
      }
      expect(await get(`/smtpserver/keyed?key=${key}`, {})).toEqual([401, 4304]);
      expect((await admin.call("DELETE", `/apikey/${id}`)).status).toBe(200);
      for (const headers of forms) expect(await get("/smtpserver/keyed", headers)).toEqual([401, 4304]);
    },
  },
  {
    claim: "an admin whose policy allows only reading gets 403 for the rest, from its start to its end",
    setup: "alone",
    async run({ admin: boss, addAdmin }) {
      await boss.save("office", DEFINITION);
      const helpdesk = await addAdmin("helpdesk", PASSWORD);
      expect((await helpdesk.save("mine", DEFINITION)).status).toBe(200);

      const { status, body } = await boss.call("POST", "/policy/reading", READING);
      // This would leave no admin who may write policies.
      expect([status, body.result.error?.code]).toEqual([400, 905]);
      for (const [name, policy] of Object.entries({ super: SUPER, reading: READING })) {
        expect((await boss.call("POST", `/policy/${name}`, policy)).status).toBe(200);
      }
      expect(Object.keys(await helpdesk.list()).sort()).toEqual(["mine", "office"]);
      const denied = [
        await helpdesk.save("mine", DEFINITION),
        await helpdesk.call("DELETE", "/smtpserver/mine"),
        await helpdesk.test({ ...DEFINITION, recipient: "you@example.net" }),
        await helpdesk.call("GET", "/policy/"),
        await helpdesk.call("POST", "/policy/reading", { ...READING, action: "*" }),
        await helpdesk.call("DELETE", "/policy/reading"),
        await helpdesk.call("GET", "/audit/"),
      ];
      expect(denied.map(({ status, body }) => [status, body.result.error?.code])).toEqual(
        denied.map(() => [403, 303]),
      );
      const rows = (await boss.audit()).filter(({ administrator }) => administrator === "helpdesk");
      expect(rows.filter(({ info }) => info === "action_denied")).toHaveLength(denied.length);

      await boss.call("POST", "/policy/disable/reading");
      expect((await helpdesk.call("GET", "/smtpserver/")).status).toBe(403);
      expect((await boss.call("POST", "/policy/disable/super")).status).toBe(200);
      expect((await helpdesk.save("mine", DEFINITION)).status).toBe(200);
    },
  },
];
