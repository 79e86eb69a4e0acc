import { describe, expect, test } from "bun:test";
import { AUDIT_TEXT_COLUMNS } from "../../src/domain/audit.ts";
import { ADMIN, PEER, type TestInstance, testInstance } from "../fixtures/instance.ts";

interface Row {
  readonly number: number;
  readonly action: string;
  readonly [column: string]: unknown;
}
interface Page {
  readonly auditdata: readonly Row[];
  readonly count: number;
  readonly current: number;
  readonly prev: number | null;
  readonly next: number | null;
}

async function page(instance: TestInstance, query: Record<string, string> = {}): Promise<Page> {
  const { status, value, text } = await instance.request("GET", "/audit/", { query });
  if (status !== 200) throw new Error(text);
  return value as Page;
}
const rows = async (instance: TestInstance, query?: Record<string, string>) =>
  (await page(instance, query)).auditdata;
const save = (instance: TestInstance, json: object, identifier = "a") =>
  instance.request("POST", `/smtpserver/${identifier}`, { json: { server: "mail.example.org", ...json } });

describe("GET /audit/", () => {
  async function filled(): Promise<TestInstance> {
    const instance = await testInstance();
    for (const identifier of ["alpha", "beta", "alp_a", "100%"]) {
      await save(instance, {}, encodeURIComponent(identifier));
      instance.clock.advance(60);
    }
    await instance.request("DELETE", "/smtpserver/none");
    return instance;
  }
  const found = async (instance: TestInstance, query: Record<string, string>) =>
    (await rows(instance, { sortorder: "asc", ...query })).map(({ identifier }) => identifier);

  test.each<[query: Record<string, string>, identifiers: string[]]>([
    [{}, ["alpha", "beta", "alp_a", "100%", "none"]],
    [{ identifier: "alpha" }, ["alpha"]],
    [{ identifier: "ALPHA" }, ["alpha"]],
    [{ identifier: "alp*" }, ["alpha", "alp_a"]],
    [{ identifier: "*a" }, ["alpha", "beta", "alp_a"]],
    [{ identifier: "alp_a" }, ["alp_a"]],
    [{ identifier: "100%" }, ["100%"]],
    [{ identifier: "%" }, []],
    [{ identifier: "\\" }, []],
    [{ identifier: "' OR 1=1 --" }, []],
    [{ identifier: "" }, ["alpha", "beta", "alp_a", "100%", "none"]],
    [{ identifier: "*L*P*" }, ["alpha", "alp_a"]],
    [{ identifier: "a*p*h*a" }, ["alpha"]],
    [{ action: "DELETE*" }, ["none"]],
    [{ success: "false" }, ["none"]],
    [{ success: "1", identifier: "*e*" }, ["beta"]],
    [{ administrator: "admin", realm: "", client: PEER, info: "there was none" }, ["none"]],
    [{ timelimit: "90s" }, ["100%", "none"]],
    [{ timelimit: "2m" }, ["alp_a", "100%", "none"]],
    [{ timelimit: "1h" }, ["alpha", "beta", "alp_a", "100%", "none"]],
    [{ timelimit: "" }, ["alpha", "beta", "alp_a", "100%", "none"]],
    [{ sortname: "identifier" }, ["100%", "alp_a", "alpha", "beta", "none"]],
    [{ sortname: "identifier", sortorder: "desc" }, ["none", "beta", "alpha", "alp_a", "100%"]],
    [{ page_size: "2" }, ["alpha", "beta"]],
    [{ page_size: "2", page: "3" }, ["none"]],
    [{ page: "99" }, []],
    [{ unknown: "x" }, ["alpha", "beta", "alp_a", "100%", "none"]],
  ])("finds rows with %j", async (query, identifiers) => {
    await using instance = await filled();
    expect(await found(instance, query)).toEqual(identifiers);
  });

  test("finds a recipient by the international form of its domain", async () => {
    await using instance = await testInstance();
    const json = { server: "mail.example.org", sender: "a@example.org", recipient: "ann@bücher.example" };
    await instance.request("POST", "/smtpserver/send_test_email", { json });
    for (const recipient of ["ann@BÜCHER.example", "*@bücher.example", "*@xn--bcher-kva.example"]) {
      expect(await rows(instance, { recipient })).toMatchObject([{ recipient: "ann@xn--bcher-kva.example" }]);
    }
    expect(await rows(instance, { recipient: "*@bucher.example" })).toEqual([]);
  });

  test("takes 255 characters as the pattern of each column", async () => {
    await using instance = await testInstance();
    const identifier = `${"s".repeat(100)}.${"t".repeat(100)}`;
    await save(instance, {}, identifier);
    for (const column of AUDIT_TEXT_COLUMNS)
      expect(await rows(instance, { [column]: "x".repeat(255) })).toEqual([]);
    for (const matching of [identifier.toUpperCase(), `${"*s".repeat(100)}*.${"t*".repeat(26)}`])
      expect(await found(instance, { identifier: matching })).toEqual([identifier]);
    expect(await rows(instance, { recipient: `${"*".repeat(254)}@` })).toEqual([]);
  });

  test("returns pages of 15 rows, newest first", async () => {
    await using instance = await testInstance();
    for (let i = 0; i < 17; i++) await instance.request("DELETE", `/smtpserver/s${i}`);
    const first = await page(instance);
    expect([first.auditdata.length, first.count, first.current, first.prev, first.next]).toEqual([
      15,
      17,
      1,
      null,
      2,
    ]);
    expect(first.auditdata[0]).toMatchObject({ identifier: "s16" });
    const second = await page(instance, { page: "2" });
    expect([second.auditdata.length, second.count, second.current, second.prev, second.next]).toEqual([
      2,
      17,
      2,
      1,
      null,
    ]);
  });

  test.each<[query: Record<string, string>]>([
    [{ page: "0" }],
    [{ page: "x" }],
    [{ page_size: "1001" }],
    [{ page_size: "-1" }],
    [{ sortname: "share_key" }],
    [{ sortname: "number; DROP TABLE audit" }],
    [{ sortorder: "sideways" }],
    [{ timelimit: "1y" }],
    [{ timelimit: "-1h" }],
    [{ success: "perhaps" }],
    [{ identifier: "x".repeat(256) }],
    [{ identifier: "a\0" }],
  ])("rejects %j with 905", async (query) => {
    await using instance = await testInstance();
    const { status, error } = await instance.request("GET", "/audit/", { query });
    expect([status, error?.code]).toEqual([400, 905]);
  });

  test("does not return rows that are older than the setting allows", async () => {
    await using instance = await testInstance({ tokenSeconds: 604_800 });
    await save(instance, {});
    instance.clock.advance(365 * 86_400);
    await instance.services.prune();
    const token = await instance.logIn(ADMIN.username, ADMIN.password);
    expect((await instance.request("GET", "/audit/", { token })).value).toMatchObject({ count: 1 });
    instance.clock.advance(1);
    await instance.services.prune();
    expect((await instance.request("GET", "/audit/", { token })).value).toMatchObject({ count: 0 });
  });
});
