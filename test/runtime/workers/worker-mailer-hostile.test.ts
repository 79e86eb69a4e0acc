import { type Deviation, testHostileServers } from "../../contract/hostile.ts";
import { PHASES } from "../../contract/hostile-table.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);

const HIDES: Deviation = {
  because: "workerd does not say why TLS failed",
  where: (_mode, step, what) => step === "handshake" && what !== "says nothing",
  expected: { code: "tls_failed", phase: "certificate", retryable: false },
};

const LINGERS: Deviation = {
  because: "workerd ends a handshake only when the event ends",
  where: (_mode, step, what) => step === "handshake" && what === "says nothing",
  expected: {},
  lingers: true,
};

/** Elsewhere commands go in one flight, and the second answer is taken for the next one's. */
const LOCKSTEP = (["mail", "rcpt"] as const).map(
  (at): Deviation => ({
    because: "worker-mailer waits for each answer",
    where: (_mode, step, what) => step === at && what === "answers twice",
    expected: { phase: PHASES[at] },
  }),
);

testHostileServers("worker-mailer in workerd", {
  makeTransport: () => workers.open("worker-mailer"),
  material,
  timeoutMs: 600,
  // It knows no BDAT.
  modes: ["lockstep", "pipelined", "starttls"],
  deviations: [HIDES, LINGERS, ...LOCKSTEP],
});
