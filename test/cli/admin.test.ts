import { expect, setDefaultTimeout, test } from "bun:test";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

const ANNA_ALONE = "USERNAME  REALM  STATE\nanna      -      enabled\n";

/** The admin commands of one instance. */
function instance() {
  const folder = temporaryFolder();
  return {
    admin: (args: readonly string[], input?: string) =>
      runCli(["admin", ...args], { folder: folder.path, ...(input !== undefined && { input }) }),
    rows: (statement: string) => outside(`${folder.path}/data/sealpost.db`, statement),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}

test("admin add prints the password that it created; list shows admins with realm and state", async () => {
  using own = instance();
  expect((await own.admin(["list"])).stdout).toBe("");
  const added = await own.admin(["add", "anna"]);
  expect(added).toMatchObject({ code: 0, stderr: "" });
  expect(added.stdout).toMatch(/^Password of anna: [\w-]{20}\n$/);
  expect((await own.admin(["add", "ben", "--realm", "sales"])).stdout).toStartWith("Password of ben@sales: ");
  expect((await own.admin(["disable", "ben", "--realm", "sales"])).stdout).toBe("ben@sales is disabled\n");
  expect((await own.admin(["list"])).stdout).toBe(
    "USERNAME  REALM  STATE\nanna      -      enabled\nben       sales  disabled\n",
  );
  expect((await own.admin(["enable", "ben", "--realm", "sales"])).stdout).toBe("ben@sales is enabled\n");
  expect(JSON.parse((await own.admin(["list", "--json"])).stdout)).toEqual([
    { username: "anna", realm: "", enabled: true },
    { username: "ben", realm: "sales", enabled: true },
  ]);
});

test("--password-stdin reads the first line and prints no password", async () => {
  using own = instance();
  const added = await own.admin(["add", "anna", "--password-stdin"], "sécret word\r\nsecond line\n");
  expect(added).toEqual({ code: 0, stdout: "The password of anna is set\n", stderr: "" });
  const changed = await own.admin(["passwd", "anna", "--password-stdin"], "another word");
  expect(changed).toEqual({ code: 0, stdout: "The password of anna is set\n", stderr: "" });
});

test.each(["", "\n", "\nsecond line\n", "nul\0inside\n"])("--password-stdin rejects %j", async (input) => {
  using own = instance();
  const { code, stdout, stderr } = await own.admin(["add", "anna", "--password-stdin"], input);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^sealpost: .*password.*\n$/);
  expect((await own.admin(["list"])).stdout).toBe("");
});

test.each(["x", "Password1", "aaaaaaaa", "Gwendolyn"])(
  "admin add and passwd reject the password %s",
  async (password) => {
    using own = instance();
    const refused = { code: 1, stdout: "", stderr: expect.stringContaining("password: expected ") };
    expect(await own.admin(["add", "gwendolyn", "--password-stdin"], password)).toEqual(refused);
    expect((await own.admin(["list"])).stdout).toBe("");
    await own.admin(["add", "gwendolyn"]);
    expect(await own.admin(["passwd", "gwendolyn", "--password-stdin"], password)).toEqual(refused);
  },
);

test.each(["", " ", " anna", "an\nna", "\x7f", "an\tna", "x".repeat(256)])(
  "admin add rejects the name %j",
  async (name) => {
    using own = instance();
    const { code, stdout, stderr } = await own.admin(["add", name]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("username");
    expect((await own.admin(["add", "anna", "--realm", `${name}\n`])).code).toBe(1);
  },
);

test("a name that is taken or unknown is reported on standard error", async () => {
  using own = instance();
  await own.admin(["add", "anna"]);
  expect(await own.admin(["add", "anna"])).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringContaining("anna exists already"),
  });
  for (const verb of ["passwd", "disable", "enable"]) {
    const { code, stdout, stderr } = await own.admin([verb, "nobody"]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toBe("sealpost: There is no admin nobody\n");
  }
});

test("the last admin who may change policies cannot be disabled", async () => {
  using own = instance();
  await own.admin(["add", "anna"]);
  const { code, stdout, stderr } = await own.admin(["disable", "anna"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^sealpost: .*policywrite.*\n$/);
  expect((await own.admin(["list"])).stdout).toBe(ANNA_ALONE);
  await own.admin(["add", "ben"]);
  expect((await own.admin(["disable", "anna"])).code).toBe(0);
  expect((await own.admin(["disable", "ben"])).code).toBe(1);
});

test("admin remove deletes an admin, but not the last one who may change policies", async () => {
  using own = instance();
  await own.admin(["add", "anna"]);
  await own.admin(["add", "ben", "--realm", "sales"]);
  expect((await own.admin(["remove", "ben"])).code).toBe(1);
  expect(await own.admin(["remove", "ben", "--realm", "sales"])).toEqual({
    code: 0,
    stdout: "ben@sales is removed\n",
    stderr: "",
  });
  const { code, stderr } = await own.admin(["remove", "anna"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("policywrite")]);
  expect((await own.admin(["list"])).stdout).toBe(ANNA_ALONE);
});

test("the audit log records what the command line does", async () => {
  using own = instance();
  await own.admin(["add", "anna"]);
  await own.admin(["passwd", "anna"]);
  const rows = await own.rows("SELECT action, administrator, identifier, success FROM audit ORDER BY number");
  expect(rows).toMatchObject([
    {
      action: "cli admin add",
      administrator: expect.stringContaining("(command line)"),
      identifier: "anna",
      success: 1,
    },
    { action: "cli admin passwd", identifier: "anna", success: 1 },
  ]);
});
