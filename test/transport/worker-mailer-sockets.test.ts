import { describe, expect, mock, test } from "bun:test";
import { Guard } from "../../src/transport/worker-mailer-guard.ts";
import { connect, offerSocket } from "../../src/transport/worker-mailer-sockets.ts";
import { serverAt } from "./support.ts";

const makeSocket = () =>
  new Guard({ perform: async () => undefined, startTls: () => undefined, refuse: () => undefined }).socket();

describe("worker-mailer-sockets", () => {
  test("connect() gives the socket that is offered under the name, once", () => {
    const [first, second] = [makeSocket(), makeSocket()];
    using one = offerSocket(first);
    using other = offerSocket(second);
    expect(one.isTaken).toBe(false);
    expect(connect(one)).toBe(first);
    expect(one.isTaken).toBe(true);
    expect(() => connect(one)).toThrow(TypeError);
    expect(connect(other)).toBe(second);
  });

  test("connect() throws TypeError for every other host", () => {
    for (const hostname of ["smtp.example.org", "127.0.0.1", "session-0.invalid", ""]) {
      expect(() => connect({ hostname })).toThrow(TypeError);
    }
  });

  test("an offer that nobody takes is withdrawn", () => {
    const { hostname } = (() => {
      using offer = offerSocket(makeSocket());
      return offer;
    })();
    expect(() => connect({ hostname })).toThrow(TypeError);
  });

  test("a library that opened a socket of its own got a name that leads nowhere, and is found out", async () => {
    const opened: string[] = [];
    // The platform, as a bundler without the replacement would leave it.
    mock.module("cloudflare:sockets", () => ({
      connect({ hostname }: { readonly hostname: string }) {
        opened.push(hostname);
        return { ...makeSocket(), opened: new Promise(() => undefined) };
      },
    }));
    const { connectLibrary, Unguarded } = await import("../../src/transport/worker-mailer-library.ts");
    const connecting = connectLibrary(makeSocket(), serverAt(25, { host: "smtp.example.org" }));
    expect(await connecting.catch((error: unknown) => error)).toBeInstanceOf(Unguarded);
    expect(opened).toEqual([expect.stringMatching(/^session-\d+\.invalid$/)]);
  });
});
