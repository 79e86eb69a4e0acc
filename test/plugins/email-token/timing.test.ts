import { expect, test } from "bun:test";
import { PEER } from "../../fixtures/instance.ts";
import { compare } from "../recovery/fixtures/timing.ts";
import { PIN, started, WRONG } from "./support.ts";

const IS_LONG = process.env.LONG_TESTS === "1";
const PAIRS = IS_LONG ? 500 : 150;
/** Of 500 pairs by chance alone: 0.5 ± 0.018; of 150: ± 0.033. */
const MOST_DEVIATION = IS_LONG ? 0.05 : 0.12;

test.each([
  ["a PIN", { pass: WRONG }],
  ["a code", { pass: WRONG, transaction_id: "12345678901234567890" }],
])(
  "POST /validate/check with %s takes as long for nobody as for somebody with a token",
  async (what, params) => {
    // The cheapest hash that is still most of the work, as it is with the default one, which takes ten times as long.
    await using it = await started({ trustedClients: [PEER], passwordCost: { ln: 12, r: 8, p: 1 } });
    await it.enrol({ pin: PIN });
    const { area, medianMs } = await compare(
      PAIRS,
      () => it.check({ user: "ann", ...params }),
      () => it.check({ user: "bob", ...params }),
    );
    const [one, other] = medianMs.map((ms) => `${ms.toFixed(2)} ms`);
    console.info(`${what}: area ${area.toFixed(3)} of ${PAIRS} pairs; ${one} and ${other}`);
    expect(Math.abs(area - 0.5)).toBeLessThan(MOST_DEVIATION);
  },
  120_000,
);
