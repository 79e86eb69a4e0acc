import { expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { testInstance } from "../fixtures/instance.ts";

test("realms and resolvers are those of the users, and cannot be changed", async () => {
  await using instance = await testInstance({ plugins: [directory({ realm: "Main" })] });
  const get = async (path: string) => (await instance.request("GET", path)).value;
  const realm = (name: string, isDefault: boolean) => ({
    [name]: { default: isDefault, resolver: [{ name, type: "sqlresolver", priority: 1 }] },
  });
  expect(await get("/realm/")).toEqual(realm("main", true));
  await instance.request("POST", "/user/", { json: { username: "ann", realm: "sales" } });
  expect(await get("/realm")).toEqual({ ...realm("main", true), ...realm("sales", false) });
  for (const name of ["sales", "SALES"]) expect(await get(`/realm/${name}`)).toEqual(realm("sales", false));
  expect(await get("/defaultrealm")).toEqual(realm("main", true));
  const resolver = { sales: { resolvername: "sales", type: "sqlresolver", data: {} } };
  expect(await get("/resolver/")).toMatchObject(resolver);
  for (const name of ["sales", "Sales"]) expect(await get(`/resolver/${name}`)).toEqual(resolver);
  for (const path of ["/realm/none", "/resolver/none"])
    expect((await instance.request("GET", path)).error?.code).toBe(601);
  for (const path of ["/realm/sales", "/resolver/sales", "/resolver/", "/defaultrealm"])
    for (const method of ["POST", "DELETE"])
      expect((await instance.request(method, path, { json: {} })).status).toBe(405);
});

test("GET /auth/rights lists what the admin may enroll, for any admin and no one else", async () => {
  await using instance = await testInstance({ plugins: [directory(), emailToken(), smsGateway()] });
  const rights = (token?: string | null) =>
    instance.request("GET", "/auth/rights", token === undefined ? {} : { token });
  expect(Object.keys((await rights()).value as object)).toEqual(["email", "sms"]);
  const anna = { username: "anna", password: "of the second admin" };
  await instance.request("POST", "/admin/", { json: anna });
  const action = ["*", "!enrollSMS"];
  await instance.request("POST", "/policy/p", { json: { scope: "admin", action, adminuser: "admin" } });
  expect(Object.keys((await rights()).value as object)).toEqual(["email"]);
  const token = await instance.logIn(anna.username, anna.password);
  expect((await rights(token)).value).toEqual({});
  expect((await rights(null)).error?.code).toBe(4033);
  expect((await rights("x")).error?.code).toBe(4304);
});
