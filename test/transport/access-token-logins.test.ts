import { testAccessTokens } from "../contract/access-token.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";
import { makeTransport } from "./support.ts";

const material = openssl === null ? null : makeTlsMaterial();
const extraCa = material === null ? [] : [material.ca];

testAccessTokens("smtp", { makeTransport: () => makeTransport({ extraCa }), material });
