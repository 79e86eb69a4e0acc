import { afterAll, describe, setDefaultTimeout, test } from "bun:test";
import { type Environment, TEST_MS } from "../fixtures/process/child.ts";
import { openssl } from "../fixtures/smtp/tls.ts";
import type { Exception, Flow, Instance, Runtime, Settings, Setup } from "./flow.ts";
import { FLOWS } from "./flows/index.ts";
import { tlsMaterial } from "./material.ts";
import { record } from "./table.ts";

const ENV: Readonly<Partial<Record<Setup, Environment>>> = {
  usual: { SEALPOST_BASE_URL: "https://sealpost.example" },
  censoring: { SEALPOST_SECRETS: "censor" },
  "behind a proxy": { SEALPOST_TRUSTED_PROXIES: "127.0.0.1" },
};

/** The run of all tests runs these flows at its end, when no other process tests: see tools/test.ts. */
const ARE_MEASURED_LATER = process.env.MEASURED_FLOWS === "later";

function settingsOf(setup: Setup): Settings {
  return {
    env: ENV[setup] ?? {},
    authorities: setup === "trusting no authority" || openssl === null ? [] : [tlsMaterial().ca],
  };
}

/** Runs every flow on one runtime, and stores the results for the table. */
export function runFlows(runtime: Runtime): void {
  setDefaultTimeout(TEST_MS);
  const shared = new Map<Setup, Promise<Instance>>();
  afterAll(async () => {
    const started = await Promise.allSettled(shared.values());
    await Promise.all(started.map((one) => one.status === "fulfilled" && one.value[Symbol.asyncDispose]()));
  });

  async function runIn(setup: Setup, run: Flow["run"]): Promise<void> {
    if (setup === "alone") {
      await using instance = await runtime.start(settingsOf(setup));
      return await run(instance);
    }
    const instance = shared.get(setup) ?? runtime.start(settingsOf(setup));
    shared.set(setup, instance);
    await run(await instance);
  }

  describe(`on ${runtime.name}:`, () => {
    for (const flow of FLOWS) {
      const { claim, setup = "usual" } = flow;
      const exception = exceptionOf(runtime, flow);
      const isMeasured = flow.isMeasured === true && exception === undefined;
      if (isMeasured && ARE_MEASURED_LATER) continue;
      const obstacle = obstacleOf(runtime, flow);
      if (obstacle !== null) record(claim, runtime.name, { mark: "–", because: obstacle });
      test.skipIf(obstacle !== null)(isMeasured ? `measured: ${claim}` : claim, async () => {
        record(claim, runtime.name, { mark: "✗" });
        await runIn(setup, exception?.run ?? flow.run);
        const passed = exception
          ? ({ mark: "≈", because: exception.because } as const)
          : ({ mark: "✓" } as const);
        record(claim, runtime.name, passed);
      });
    }
  });
}

function exceptionOf({ name }: Runtime, { except, isUsualInObject }: Flow): Exception | undefined {
  return except?.[name === "object" && isUsualInObject !== true ? "workerd" : name];
}

function obstacleOf(runtime: Runtime, flow: Flow): string | null {
  if (runtime.obstacle !== null) return runtime.obstacle;
  if (flow.needs === "openssl" && openssl === null) return "openssl is not installed";
  const exception = exceptionOf(runtime, flow);
  return exception && !exception.run ? exception.because : null;
}
