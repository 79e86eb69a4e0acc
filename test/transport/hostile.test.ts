import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { testHostileServers } from "../contract/hostile.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";
import { makeTransport } from "./support.ts";

if (openssl === null) console.warn("openssl is missing: hostile servers are not tried over TLS");

const material = openssl === null ? null : makeTlsMaterial();
let socketsBefore = 0;
beforeAll(() => {
  socketsBefore = countSockets();
});
afterAll(() => {
  expect(countSockets()).toBeLessThanOrEqual(socketsBefore);
});

testHostileServers("smtp", {
  makeTransport: () => makeTransport({ extraCa: material === null ? [] : [material.ca] }),
  material,
});

/** Returns the number of open sockets of this process. 0 without /proc. */
function countSockets(): number {
  const directory = "/proc/self/fd";
  if (!existsSync(directory)) return 0;
  return readdirSync(directory).filter((fd) => tryReadlink(`${directory}/${fd}`).startsWith("socket:"))
    .length;
}

/** The descriptor that listed the folder is closed by now. */
function tryReadlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
