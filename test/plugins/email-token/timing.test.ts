import { expect, test } from "bun:test";
import { hashPassword } from "../../../src/secrets/password.ts";
import { PEER, realRandomBytes as randomBytes } from "../../fixtures/instance.ts";
import { compare } from "../recovery/fixtures/timing.ts";
import { PIN, type Started, started, WRONG } from "./support.ts";

const IS_LONG = process.env.LONG_TESTS === "1";
const PAIRS = IS_LONG ? 500 : 150;
/** By chance alone, 500 pairs give 0.5 ± 0.018, and 150 pairs ± 0.033. */
const MAX_DEVIATION = IS_LONG ? 0.05 : 0.12;
const LEAK_MS = 3;
/** A comparison must detect a leak this clearly, or its other results prove nothing. */
const MIN_LEAK_AREA = 0.6;

/** The cheapest cost at which the hash is still most of the work, as with the default, which takes 20 times as long. */
const COST = { ln: 11, r: 8, p: 1 };

/** Stores the kind of hash that PINs used to have. */
async function storeOldHash({ database }: Started): Promise<void> {
  const old = await hashPassword(PIN, { randomBytes, cost: COST });
  await database.commit([database.write.run(`UPDATE email_token_token SET pin_hash = '${old}'`)]);
}

test.each<[string, { readonly params: object; readonly prepare?: typeof storeOldHash }]>([
  ["a PIN", { params: { pass: WRONG } }],
  ["a PIN, while an old hash exists", { params: { pass: WRONG }, prepare: storeOldHash }],
  ["a code", { params: { pass: WRONG, transaction_id: "12345678901234567890" } }],
])(
  "POST /validate/check with %s takes as long for an unknown user as for one with a token",
  async (what, { params, prepare }) => {
    await using it = await started({ trustedClients: [PEER], passwordCost: COST });
    await it.enroll({ pin: PIN });
    await prepare?.(it);
    const known = () => it.check({ user: "ann", ...params });
    const unknown = () => it.check({ user: "bob", ...params });
    const { area, medianMs } = await compare(PAIRS, known, unknown);
    const leak = await compare(PAIRS, known, async () => {
      work(LEAK_MS);
      await unknown();
    });
    const [one, other] = medianMs.map((ms) => `${ms.toFixed(2)} ms`);
    console.info(
      `${what}: area ${area.toFixed(3)} of ${PAIRS} pairs; ${one} and ${other}; ` +
        `with a leak of ${LEAK_MS} ms ${leak.area.toFixed(3)}`,
    );
    expect(Math.abs(area - 0.5)).toBeLessThan(MAX_DEVIATION);
    expect(leak.area).toBeGreaterThan(MIN_LEAK_AREA);
  },
  120_000,
);

/** Keeps the thread busy for this long, as a leak would. */
function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}
