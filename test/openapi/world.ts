import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { PEER, type TestInstance, testInstance } from "../fixtures/instance.ts";
import { startTokenServer } from "../fixtures/token-server.ts";
import { type Operation, operationsOf } from "./document.ts";
import { COMMON, DEFINITION, type Known, PREPARATIONS, SETTINGS } from "./preparations.ts";

const YEAR_SECONDS = 31_536_000;

/** An instance with every plugin, which the requests of many operations share. */
export interface World extends AsyncDisposable {
  readonly instance: TestInstance;
  /** Every operation of its OpenAPI document. */
  readonly operations: readonly Operation[];
  /** Creates what a request to the operation needs. @returns values that are right for it. */
  prepare(operation: Operation): Promise<Known>;
}

export async function createWorld(): Promise<World> {
  const plugins = [
    ...[directory(), emailToken(), smsGateway(), events()],
    ...[recovery({ enabled: true }), registration({ enabled: true })],
  ];
  const instance = await testInstance({ plugins, trustedClients: [PEER], tokenSeconds: YEAR_SECONDS });
  const tokenServer = await startTokenServer();
  let count = 0;
  await instance.request("POST", "/smtpserver/default", { json: DEFINITION });
  const document = await instance.request("GET", "/openapi.json");
  return {
    instance,
    operations: operationsOf(document.text).map(withSettings),
    async prepare({ operationId, path }) {
      const prepare = PREPARATIONS[operationId] ?? PREPARATIONS[firstPart(path)];
      count += 1;
      return { ...COMMON, ...(await prepare?.(instance, count, tokenServer)) };
    },
    async [Symbol.asyncDispose]() {
      await instance[Symbol.asyncDispose]();
      await tokenServer[Symbol.asyncDispose]();
    },
  };
}

/** The names of settings are not in the document, because plugins bring them. */
function withSettings(operation: Operation): Operation {
  if (operation.operationId !== "setConfig") return operation;
  const parameters = Object.keys(SETTINGS).map((name) => ({
    ...{ name, in: "body" as const, isRequired: false, schema: {} },
  }));
  return { ...operation, parameters };
}

export const firstPart = (path: string): string => path.split("/")[1] ?? "";
