import { SealpostError } from "sealpost";
import { described, nameKey, type PluginStore, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import { realmsWithUsers } from "./store.ts";

const TAG = { name: "Realms", description: "Realms of users, as clients of privacyIDEA ask for them" };
const READ = { method: "GET", right: "userlist" } as const;
/** privacyIDEA's name for users in a database. */
const TYPE = "sqlresolver";
/** There is one resolver in a realm. */
const PRIORITY = 1;

const realmsView = v.record(
  v.string(),
  v.object({
    default: v.boolean(),
    resolver: v.array(v.object({ name: v.string(), type: v.string(), priority: v.number() })),
  }),
);
const resolversView = v.record(
  v.string(),
  v.object({ resolvername: v.string(), type: v.string(), data: v.object({}) }),
);
const nameParams = v.object({
  name: described(v.string(), "Name of a realm, which its resolver has as well"),
});

/** Creates the routes that list realms. A realm exists while it has users, so there is none to create or delete. */
export function realmRoutes({
  store,
  defaultRealm,
}: {
  readonly store: Pick<PluginStore, "read">;
  readonly defaultRealm: string;
}) {
  const names = async () => [...new Set([defaultRealm, ...(await realmsWithUsers(store))])].toSorted();
  const toRealms = (realms: readonly string[]) =>
    Object.fromEntries(
      realms.map((name) => {
        const resolver = [{ name, type: TYPE, priority: PRIORITY }];
        return [name, { default: name === defaultRealm, resolver }];
      }),
    );
  const toResolvers = (realms: readonly string[]) =>
    Object.fromEntries(realms.map((name) => [name, { resolvername: name, type: TYPE, data: {} }]));

  /** @throws {SealpostError} `resource_not_found`. */
  async function assertKnown(given: string, kind: string): Promise<readonly string[]> {
    const name = nameKey(given);
    if ((await names()).includes(name)) return [name];
    throw new SealpostError("resource_not_found", `The requested ${kind} could not be found.`);
  }

  return tagged(TAG, [
    route({ ...READ, path: "/realm/", response: realmsView, summary: "List realms" }, async () =>
      toRealms(await names()),
    ),
    route(
      {
        ...READ,
        path: "/realm/:name",
        parameters: { path: nameParams },
        response: realmsView,
        summary: "Get a realm",
        errors: [404],
      },
      async (_, { path: { name } }) => toRealms(await assertKnown(name, "Realm")),
    ),
    route({ ...READ, path: "/defaultrealm", response: realmsView, summary: "Get the default realm" }, () =>
      toRealms([defaultRealm]),
    ),
    route({ ...READ, path: "/resolver/", response: resolversView, summary: "List resolvers" }, async () =>
      toResolvers(await names()),
    ),
    route(
      {
        ...READ,
        path: "/resolver/:name",
        parameters: { path: nameParams },
        response: resolversView,
        summary: "Get a resolver",
        errors: [404],
      },
      async (_, { path: { name } }) => toResolvers(await assertKnown(name, "Resolver")),
    ),
  ]);
}
