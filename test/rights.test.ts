import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Secret } from "../src/domain/secret.ts";
import { DEFAULT_PLUGINS } from "../src/runtime/default-plugins.ts";
import { ADMIN, testInstance } from "./fixtures/instance.ts";
import type { TestResponse } from "./fixtures/request.ts";
import { type Call, callsOf, type RouteName, VALUES } from "./fixtures/route-calls.ts";

/** Rows that are no right: routes that need no token, and those that need no right. */
const ANYONE = "anyone";
const ANY_ADMIN = "any admin";
const CLI = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };

/** The rows of the table in SECURITY.md: right, routes, what it amounts to. */
async function documentedRights(): Promise<ReadonlyMap<string, RouteName[]>> {
  const text = await Bun.file(join(import.meta.dir, "..", "SECURITY.md")).text();
  const [, section = ""] = text.split("## What each right amounts to\n");
  const [table = ""] = section.split("\n## ");
  const rows = [...table.matchAll(/^\| (.+?) \| (.+?) \| (.+) \|$/gm)];
  const named = rows.filter(([, name = ""]) => !/^(right|-+)$/.test(name));
  return new Map(
    named.map(([, name = "", routes = ""]) => [
      name.replaceAll("`", ""),
      [...routes.matchAll(/`([A-Z]+ [^`]+)`/g)].map(([, route = ""]) => route).toSorted(),
    ]),
  );
}

const isWithoutRight = ({ status, error }: TestResponse) => status === 403 && error?.code === 303;
const isWithoutToken = ({ status, error }: TestResponse) => status === 401 && error?.code === 4033;
/** Whether the parameters were valid: the route did its work, or found nothing of that name. */
const isValid = ({ status }: TestResponse) => status < 300 || status === 404;

/** For each right the routes that it opens on its own, and the responses that were neither allowed nor denied. */
async function tryEveryRight() {
  await using instance = await testInstance({ plugins: DEFAULT_PLUGINS });
  const { services } = instance;
  const admin = (method: string, path: string, json: unknown) => instance.request(method, path, { json });
  await admin("POST", "/policy/everything", { scope: "admin", action: "*", adminuser: ADMIN.username });
  await admin("POST", "/system/setConfig", { "recovery.enabled": true, "register.enabled": true });
  await admin("POST", "/smtpserver/main", { server: VALUES.server, sender: VALUES.email });
  await admin("POST", "/user/", { username: "ann", email: VALUES.email, phone: VALUES.phone });
  const calls = await callsOf(instance);

  const odd: unknown[] = [];
  const opened = new Map<string, RouteName[]>();
  const guarded: Call[] = [];
  for (const call of calls) {
    const responses = await call.send(null);
    if (responses.every(isWithoutToken)) guarded.push(call);
    else opened.set(ANYONE, [...(opened.get(ANYONE) ?? []), call.route]);
  }
  for (const right of [...services.rights, ANY_ADMIN]) {
    const name = `only-${right.replace(" ", "-")}`;
    await services.admins.save(
      { username: name, realm: "" },
      { password: new Secret("a long passphrase") },
      CLI,
    );
    const policy = { scope: "admin", action: right, adminuser: name };
    if (right !== ANY_ADMIN) expect((await admin("POST", `/policy/${name}`, policy)).status).toBe(200);
    const only = await instance.logIn(name, "a long passphrase");
    const allowed = await Promise.all(
      guarded.map(async ({ route, send }) => {
        const passed = (await send(only)).filter((response) => !isWithoutRight(response));
        const rejected = passed.filter((response) => !isValid(response));
        odd.push(...rejected.map(({ status, error }) => [right, route, status, error?.message]));
        return passed.length > 0 ? [route] : [];
      }),
    );
    opened.set(right, allowed.flat());
  }
  return { rights: services.rights, opened, odd };
}

describe("the table of rights in SECURITY.md", () => {
  let documented: Awaited<ReturnType<typeof documentedRights>>;
  let seen: Awaited<ReturnType<typeof tryEveryRight>>;
  beforeAll(async () => {
    [documented, seen] = await Promise.all([documentedRights(), tryEveryRight()]);
  }, 60_000);

  test("has every right of the core and of the plugins, and no other", () => {
    const names = [...documented.keys()].filter((name) => name !== ANYONE && name !== ANY_ADMIN);
    expect(names.toSorted()).toEqual([...seen.rights].toSorted());
  });

  test("names exactly the routes that each right allows on its own", () => {
    const forAny = seen.opened.get(ANY_ADMIN) ?? [];
    const own = [...seen.opened].map(([name, routes]) => {
      const routesOfRight = name === ANY_ADMIN ? routes : routes.filter((route) => !forAny.includes(route));
      return [name, routesOfRight.toSorted()] as const;
    });
    expect(new Map(own)).toEqual(new Map([[ANY_ADMIN, []], ...documented]));
  });

  test("was compared by requests with valid parameters", () => {
    expect(seen.odd).toEqual([]);
  });
});
