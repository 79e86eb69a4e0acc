import { describe, expect, test } from "bun:test";
import type { Transport } from "../../../src/contracts/transport.ts";
import {
  NOTHING_SEEN,
  noConnection,
  notAttempted,
  notSent,
  type Receipt,
} from "../../../src/domain/delivery.ts";
import type { AccessTokens } from "../../../src/domain/oauth.ts";
import { Secret } from "../../../src/domain/secret.ts";
import {
  type DeliveryObject,
  deliverInObjects,
  type ObjectDelivery,
  type ObjectResult,
} from "../../../src/runtime/workers/deliver-in-object.ts";
import { sendTo, serverAt } from "../../transport/support.ts";

const OBSERVED = { timingMs: { data: 1 }, tls: null, roundTrips: 1, seen: NOTHING_SEEN };
const ACCEPTED: Receipt = { successful: true, reply: null, reached: null, ...OBSERVED };
const MINUTE_MS = 60_000;

interface Subject {
  readonly transport: Transport;
  readonly object: DeliveryObject;
  /** The names of the objects. */
  readonly names: string[];
  readonly orders: ObjectDelivery[];
  readonly aborted: string[];
  /** Number of deliveries that the caller's transport got. */
  readonly direct: { count: number };
}

function makeSubject(deliver: (order: ObjectDelivery) => Promise<ObjectResult>, timeMs = MINUTE_MS): Subject {
  const [names, orders, aborted]: [string[], ObjectDelivery[], string[]] = [[], [], []];
  const direct = { count: 0 };
  const own: Transport = {
    name: "smtp",
    async send() {
      direct.count++;
      return ACCEPTED;
    },
    async [Symbol.asyncDispose]() {
      // It holds nothing.
    },
  };
  const object: DeliveryObject = {
    deliver(order) {
      orders.push(order);
      return deliver(order);
    },
    abort: async (id) => void aborted.push(id),
  };
  const getByName = (name: string): DeliveryObject => {
    names.push(name);
    return object;
  };
  const transport = deliverInObjects(own, { getByName }, performance.now() + timeMs);
  return { transport, object, names, orders, aborted, direct };
}

const accept = async (): Promise<ObjectResult> => ({ receipt: ACCEPTED });
const never = () => new Promise<never>(() => undefined);

describe("deliverInObjects()", () => {
  test("returns the receipt of the object that the key of the definition's version names", async () => {
    const { transport, names, direct } = makeSubject(accept);
    expect(await sendTo(transport, serverAt(25), { poolKey: "id:3" })).toEqual(ACCEPTED);
    expect([names, direct.count]).toEqual([["id:3"], 0]);
  });

  test("the order can be cloned, and has no more of the definition than a connection needs", async () => {
    const { transport, orders } = makeSubject(accept);
    const signing = { givenFor: async () => null };
    const server = { ...serverAt(25, { password: new Secret("a password") }), signing, identifier: "main" };
    await sendTo(transport, server);
    expect(orders.map(({ password }) => password)).toEqual(["a password"]);
    expect(Object.keys(orders[0]?.server ?? {})).not.toContain("signing");
    expect(structuredClone(orders)).toEqual(orders);
  });

  test("leaves unsaved definitions, checks and client certificates to the caller's transport", async () => {
    const { transport, names, direct } = makeSubject(accept);
    const { signal } = new AbortController();
    const identity = {
      tlsCertificate: "PEM",
      tlsPrivateKey: new Secret("PEM"),
      security: "starttls",
    } as const;
    await sendTo(transport, serverAt(25), { poolKey: null });
    await sendTo(transport, serverAt(25, identity));
    const delivery = { from: "a@example.org", recipient: "b@example.net", bytes: new Uint8Array() };
    await transport.send({ server: serverAt(25), poolKey: "a", ...delivery }, { signal, until: "auth" });
    expect([direct.count, names]).toEqual([3, []]);
  });

  test("a lost call leaves the outcome unknown", async () => {
    const { transport } = makeSubject(() => Promise.reject(new Error("Network connection lost.")));
    const failure = { phase: "data", code: "closed", outcome: "unknown" };
    expect(await sendTo(transport, serverAt(25))).toMatchObject({ successful: false, failure });
  });

  test("a call that takes longer than the invocation leaves the outcome unknown, and is aborted", async () => {
    const { transport, aborted } = makeSubject(never, 20);
    const failure = { phase: "data", code: "timeout", outcome: "unknown" };
    expect(await sendTo(transport, serverAt(25))).toMatchObject({ successful: false, failure });
    expect(aborted).toHaveLength(1);
  });

  test("a delivery that the object ends when the invocation's time is nearly over has its receipt", async () => {
    const ended = Promise.withResolvers<ObjectResult>();
    const { transport, object, orders } = makeSubject(() => ended.promise, 700);
    const receipt = notAttempted(noConnection());
    object.abort = async (id, reason) => {
      if (id === orders[0]?.id && reason === "timeout") ended.resolve({ receipt });
    };
    expect(await sendTo(transport, serverAt(25))).toEqual(receipt);
  });

  test("an object of the version before aborts a delivery when the invocation's time is nearly over", async () => {
    const ended = Promise.withResolvers<ObjectResult>();
    const { transport, object } = makeSubject(() => ended.promise, 0);
    object.abort = async () => ended.resolve({ isAborted: true });
    expect(await sendTo(transport, serverAt(25))).toEqual(notAttempted(noConnection()));
  });

  test("an object with too many calls has not started the message", async () => {
    const error = Object.assign(new Error("Durable Object is overloaded."), { overloaded: true });
    const { transport } = makeSubject(() => Promise.reject(error));
    const failure = { phase: "connect", outcome: "not-sent", retryable: true, fault: "server" };
    // It says nothing about the server, whose circuit stays closed.
    expect(await sendTo(transport, serverAt(25))).toMatchObject({
      successful: false,
      failure: { ...failure, wasWaiting: true },
    });
  });

  test("an object that was ended for its memory may have sent the message", async () => {
    const message = "Durable Object's isolate exceeded its memory limit and was reset.";
    for (const [text, more] of [
      [message, { overloaded: true, durableObjectReset: true }],
      [message, { overloaded: true }],
      ["Durable Object is overloaded.", { overloaded: true, durableObjectReset: true }],
    ] as const) {
      const { transport } = makeSubject(() => Promise.reject(Object.assign(new Error(text), more)));
      const failure = { phase: "data", code: "closed", outcome: "unknown" };
      expect(await sendTo(transport, serverAt(25))).toMatchObject({ successful: false, failure });
    }
  });

  test("a message that may not start is not handed over", async () => {
    const { transport, names } = makeSubject(accept);
    const failure = { phase: "sender", code: "cancelled", outcome: "not-sent" };
    const sending = sendTo(transport, serverAt(25), { mayTransact: () => false });
    expect(await sending).toMatchObject({ successful: false, failure });
    expect(names).toEqual([]);
  });

  test("an address that SMTP does not allow is not handed over", async () => {
    const { transport, names } = makeSubject(accept);
    const sending = sendTo(transport, serverAt(25), { recipient: "b@example.net\r\nDATA" });
    expect(await sending.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    expect(names).toEqual([]);
  });

  test("an aborted delivery rejects with the reason once the object has aborted it", async () => {
    const aborting = Promise.withResolvers<ObjectResult>();
    const { transport, aborted, orders } = makeSubject(() => aborting.promise);
    const controller = new AbortController();
    const reason = new Error("No longer");
    const sending = sendTo(transport, serverAt(25), { signal: controller.signal }).catch(String);
    controller.abort(reason);
    expect(aborted).toEqual(orders.map(({ id }) => id));
    aborting.resolve({ isAborted: true });
    expect(await sending).toBe("Error: No longer");
  });

  test("a delivery that was aborted too late has its receipt", async () => {
    const sent = Promise.withResolvers<ObjectResult>();
    const { transport } = makeSubject(() => sent.promise);
    const controller = new AbortController();
    const sending = sendTo(transport, serverAt(25), { signal: controller.signal });
    controller.abort();
    sent.resolve({ receipt: ACCEPTED });
    expect(await sending).toEqual(ACCEPTED);
  });

  test("the object gets an access token, or why there is none, from the caller", async () => {
    const failure = notSent("oauth", "oauth_unavailable");
    const results = [
      { successful: true, accessToken: new Secret("a token") },
      { successful: false, failure },
    ];
    const tokens = { get: async () => results.shift() } as AccessTokens;
    const got: unknown[] = [];
    const { transport } = makeSubject(async ({ getToken }) => {
      got.push(await getToken?.(), await getToken?.());
      return { receipt: ACCEPTED };
    });
    await sendTo(transport, serverAt(25, { tokens }));
    expect(got).toEqual([{ text: "a token" }, { failure }]);
  });

  test("an error in the object is an error, and no outcome", async () => {
    const { transport } = makeSubject(async () => ({ error: "RangeError: Too much" }));
    expect(await sendTo(transport, serverAt(25)).catch(String)).toBe("Error: RangeError: Too much");
  });
});
