import { testHostileServers } from "../../contract/hostile.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { WORKERD_DEVIATIONS } from "./fixtures/deviations.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);

testHostileServers("smtp in an object, warm", {
  makeTransport: () => workers.open("object"),
  material,
  timeoutMs: 3_000,
  deviations: WORKERD_DEVIATIONS,
  isWarm: true,
});
