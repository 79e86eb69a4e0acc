import { testAccessTokens } from "../../contract/access-token.ts";
import { testHostileServers } from "../../contract/hostile.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { WORKERD_DEVIATIONS } from "./fixtures/deviations.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);

const makeTransport = () => workers.open("smtp");

testAccessTokens("smtp in workerd", { makeTransport, material });

testHostileServers("smtp in workerd", {
  makeTransport,
  material,
  timeoutMs: 3_000,
  deviations: WORKERD_DEVIATIONS,
});
