import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { hostAppExample, testingExamples } from "./examples.ts";
import { findObstacle, makeProject, type Project, ROOT, run, TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the types of the package; ${obstacle}`);

/** Calls the four endpoints with the typed client. Each `@ts-expect-error` is a mistake that the types must catch. */
const ENDPOINTS = `
import { hc } from "hono/client";
import type { SealpostApp } from "sealpost";
import { testSealpost } from "sealpost/testing";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const isSame = <A, B>(_: Same<A, B>) => undefined;

await using mail = await testSealpost();
const client = hc<SealpostApp>("http://sealpost.test/mail");
const one = client.smtpserver[":identifier"];
const param = { identifier: "main" };
const json = { server: "mail.example.org", port: 587, tls: true };

const saved = await (await one.$post({ param, json })).json();
isSame<typeof saved.result.value, boolean>(true);
const list = await (await client.smtpserver.$get({ query: {} })).json();
const port = list.result.value.main?.port;
isSame<typeof port, number | undefined>(true);
const sent = await (await client.smtpserver.send_test_email.$post({ json: { ...json, recipient: "a@example.net" } })).json();
isSame<typeof sent.result.value, boolean>(true);
const gone = await (await one.$delete({ param })).json();
isSame<typeof gone.result.value, boolean>(true);

// @ts-expect-error: server or provider is required.
await one.$post({ param, json: { port: 25 } });
await one.$post({ param, json: { provider: "gmail" } });
// @ts-expect-error: no route has this path.
await client.nowhere.$get();
// @ts-expect-error: mail.sent is a list.
mail.sent.subject;
`;

/** The bindings of a Worker, as `wrangler types` declares them. */
const CLOUDFLARE = `declare module "cloudflare:workers" {
  export const env: { DATABASE_URL: string; DATABASE_TOKEN: string; SEALPOST_KEYS: string; ADMIN_PASSWORD: string };
}`;

const CONFIG = {
  compilerOptions: {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    // The declarations are checked, including those of Sealpost.
    skipLibCheck: false,
    target: "ESNext",
    module: "Preserve",
    moduleResolution: "bundler",
    noEmit: true,
    // Deno requires the extensions.
    allowImportingTsExtensions: true,
    lib: ["ESNext"],
    types: ["bun-types"],
    typeRoots: [join(ROOT, "node_modules")],
  },
};

const FEEDBACK = join(ROOT, "examples", "plugins", "feedback.ts");

async function makeConsumer(): Promise<Project> {
  const bun = await hostAppExample('from "sealpost/bun"');
  const [shared = "", ...examples] = await testingExamples();
  return makeProject({
    "sealpost.ts": shared,
    ...Object.fromEntries(examples.map((example, index) => [`testing-${index}.ts`, example])),
    "bun.ts": bun,
    "deno.ts": bun.replace("sealpost/bun", "sealpost/deno"),
    "workers.ts": await hostAppExample('from "sealpost/workers"'),
    "client.ts": await hostAppExample("hono/client"),
    "endpoints.ts": ENDPOINTS,
    // A plugin with tables of the Drizzle that the host app has.
    "feedback.ts": await Bun.file(FEEDBACK).text(),
    "cloudflare.d.ts": CLOUDFLARE,
    "tsconfig.json": JSON.stringify(CONFIG),
  });
}

test.skipIf(obstacle !== "")(
  "host apps, a plugin with tables, the examples for tests, hc<SealpostApp>() and the declarations compile strictly",
  async () => {
    using project = await makeConsumer();
    const output = await run(["tsc", "-p", "."], project.path).catch((error: Error) => error.message);
    const errors = output.split("\n").filter((line) => /^\S+\(\d+,\d+\): error/.test(line));
    // Errors in the declarations of others show that those of Sealpost were checked as well.
    expect(errors.some((line) => line.startsWith("node_modules/drizzle-orm/"))).toBe(true);
    expect(errors.filter((line) => !/^node_modules\/(?!sealpost\/)/.test(line))).toEqual([]);
  },
);
