import { testAccessTokens } from "../../contract/access-token.ts";
import { type Deviation, testHostileServers } from "../../contract/hostile.ts";
import { PHASES } from "../../contract/hostile-table.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { WORKERD_DEVIATIONS } from "./fixtures/deviations.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);

/** The observer waits for a second TLS record before it sends the next command. */
const PLATFORM = WORKERD_DEVIATIONS.filter(({ because }) => !because.includes("record by record"));

/** Other drivers send commands in one flight, where the second reply counts for the next command. */
const LOCKSTEP = (["mail", "rcpt"] as const).map(
  (index): Deviation => ({
    because: "worker-mailer waits for each reply",
    where: (mode, step, what) => mode !== "lockstep" && step === index && what === "replies twice",
    expected: { phase: PHASES[index] },
  }),
);

const makeTransport = () => workers.open("worker-mailer");

testAccessTokens("worker-mailer in workerd", { makeTransport, material });

testHostileServers("worker-mailer in workerd", {
  makeTransport,
  material,
  timeoutMs: 3_000,
  // worker-mailer does not support BDAT.
  modes: ["lockstep", "pipelined", "starttls"],
  deviations: [...PLATFORM, ...LOCKSTEP],
});
