import type { Flow } from "../flow.ts";
import { APIS } from "./apis.ts";
import { AUTHENTICATION } from "./authentication.ts";
import { BATCHES } from "./batch.ts";
import { CERTIFICATES } from "./certificates.ts";
import { DEFINITIONS } from "./definitions.ts";
import { FAILURES } from "./failures.ts";
import { FLOOD } from "./flood.ts";
import { IDENTITIES } from "./identities.ts";
import { LOAD } from "./load.ts";
import { MAIL } from "./mail.ts";
import { OAUTH } from "./oauth.ts";
import { PAGE } from "./page.ts";
import { POLICIES } from "./policies.ts";
import { QUEUE } from "./queue.ts";
import { SEND } from "./send.ts";
import { TRUTH } from "./truth.ts";

/** All flows, in the order of the table. */
export const FLOWS: readonly Flow[] = [
  ...AUTHENTICATION,
  ...DEFINITIONS,
  ...MAIL,
  ...SEND,
  ...APIS,
  ...FAILURES,
  ...QUEUE,
  ...CERTIFICATES,
  ...IDENTITIES,
  ...OAUTH,
  ...POLICIES,
  ...PAGE,
  ...LOAD,
  ...BATCHES,
  ...TRUTH,
  ...FLOOD,
];
