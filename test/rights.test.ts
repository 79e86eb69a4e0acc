import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Secret } from "../src/domain/secret.ts";
import { DEFAULT_PLUGINS } from "../src/runtime/default-plugins.ts";
import { ADMIN, type TestInstance, testInstance } from "./fixtures/instance.ts";
import type { TestResponse } from "./fixtures/request.ts";
import { sender } from "./fixtures/smime/authority.ts";
import { resolveRefs } from "./http/fixtures/resolve-refs.ts";

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}
interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly required?: boolean;
  readonly schema: Schema;
}
interface Operation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}
/** `POST /token/set/<serial>`, as the audit log and the table have it. */
type RouteName = string;
type Values = Readonly<Record<string, unknown>>;

/** Rows that are no right: routes that need no token, and those that need no right. */
const ANYONE = "anyone";
const ANY_ADMIN = "any admin";
const CLI = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
/** Values that a route requires and its schema does not give. */
const VALUES: Values = {
  user: "ann",
  username: "bob",
  email: "ann@example.org",
  recipient: "ann@example.org",
  phone: "+491701234567",
  server: "mail.example.org",
  password: "a long passphrase",
  "option.MAILTO": "{phone}@sms.example.org",
};
const identity = await sender("p256");
/** Bodies of routes whose required parameters are no constant list; several where the right depends on them. */
const BODIES: Readonly<Record<RouteName, readonly Values[]>> = {
  "POST /auth": [{ username: ADMIN.username, password: ADMIN.password }],
  "POST /smtpserver/send_test_email": [{ server: VALUES.server, recipient: VALUES.recipient }],
  "POST /smtpserver/<identifier>/send_test_email": [{ recipient: VALUES.recipient }],
  "POST /smtpserver/inspect": [{ private_key: identity.key, certificate: identity.certificate }],
  "POST /smtpserver/<identifier>": [{ server: VALUES.server }],
  "POST /policy/<name>": [{ scope: "admin", action: ["auditlog"], adminuser: "no-one" }],
  "POST /apikey/": [{ name: "program", rights: ["auditlog"] }],
  "POST /admin/": [{ username: VALUES.username, password: VALUES.password }],
  "POST /admin/<username>": [{ password: VALUES.password }],
  "POST /system/setConfig": [{ "email.subject": "Your code" }],
  "POST /user/": [{ username: "bob" }],
  "PUT /user/": [{ username: "bob", givenname: "Bob" }],
  "POST /token/init": [
    { type: "email", user: "ann", dynamic_email: true },
    { type: "sms", user: "ann", dynamic_phone: true },
  ],
  "POST /token/set": [{ serial: "unknown", description: "" }],
  "POST /token/set/<serial>": [{ description: "" }],
  "POST /token/description": [{ serial: "unknown", description: "" }],
  "POST /token/description/<serial>": [{ description: "" }],
  "POST /token/setpin": [{ serial: "unknown", otppin: "1234" }],
  "POST /token/setpin/<serial>": [{ otppin: "1234" }],
  "POST /token/reset": [{ serial: "unknown" }],
  "POST /token/enable": [{ serial: "unknown" }],
  "POST /mail/": [{ server: "main", to: "ann@example.net", text: "Hello" }],
  "POST /token/disable": [{ serial: "unknown" }],
  "POST /token/revoke": [{ serial: "unknown" }],
  "POST /token/unassign": [{ serial: "unknown" }],
  "POST /token/assign": [{ serial: "unknown", user: "ann" }],
  "POST /token/assign/<serial>": [{ user: "ann" }],
  "POST /validate/triggerchallenge": [{ user: "ann" }],
  "POST /event/": [
    {
      name: "copy",
      event: "token_init",
      handlermodule: "UserNotification",
      action: "sendmail",
      "option.To": "tokenowner",
    },
  ],
};

/** Values in paths that their schema does not give, by the first part of the path. */
const PATH_VALUES: Readonly<Record<string, Values>> = {
  mail: { id: "00000000-0000-4000-8000-000000000000" },
  smsgateway: { id: 999, key: "REGEXP" },
  event: { id: 999, module: "UserNotification" },
};

/** Returns a value that a schema accepts. */
function sample(name: string, schema: Schema): unknown {
  if (name in VALUES) return VALUES[name];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf?.[0]) return sample(name, schema.anyOf[0]);
  if (schema.type === "object") return samples(Object.entries(schema.properties ?? {}), schema.required);
  if (schema.type === "array") return [];
  if (schema.type === "boolean") return true;
  if (schema.type === "number" || schema.type === "integer") return schema.minimum ?? 1;
  return "unknown";
}

function samples(entries: readonly (readonly [string, Schema])[], required: readonly string[] = []): Values {
  const wanted = entries.filter(([name]) => required.includes(name));
  return Object.fromEntries(wanted.map(([name, schema]) => [name, sample(name, schema)]));
}

/** One route, and the requests that call it with valid parameters. */
interface Call {
  readonly route: RouteName;
  send(token: string | null): Promise<readonly TestResponse[]>;
}

function toCall(instance: TestInstance, method: string, path: string, operation: Operation): Call {
  const { parameters = [], requestBody } = operation;
  const route = `${method} ${path.replaceAll(/\{(\w+)\}/g, "<$1>")}`;
  const valuesIn = (place: string) => {
    const here = parameters.filter((parameter) => parameter.in === place);
    const required = here.filter((one) => one.required).map(({ name }) => name);
    return samples(
      here.map(({ name, schema }) => [name, schema] as const),
      required,
    );
  };
  const schema = requestBody?.content["application/json"]?.schema;
  const bodies = BODIES[route] ?? [schema === undefined ? undefined : sample("body", schema)];
  const inPath: Values = { ...valuesIn("path"), ...PATH_VALUES[path.split("/")[1] ?? ""] };
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(inPath[name])));
  const query = new URLSearchParams(valuesIn("query") as Record<string, string>);
  return {
    route,
    async send(token) {
      const responses: TestResponse[] = [];
      for (const json of bodies) {
        const url = query.size > 0 ? `${filled}?${query}` : filled;
        responses.push(await instance.request(method, url, { token, ...(json !== undefined && { json }) }));
      }
      return responses;
    },
  };
}

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
  const { text } = await instance.request("GET", "/openapi.json");
  const document = JSON.parse(text);
  const paths = resolveRefs(document.paths, document) as Record<string, Record<string, Operation>>;
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      toCall(instance, method.toUpperCase(), path, operation),
    ),
  );

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
