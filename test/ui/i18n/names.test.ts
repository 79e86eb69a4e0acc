import { expect, test } from "bun:test";
import { PHASES } from "../../../src/domain/delivery.ts";
import { MAIL_STATES } from "../../../src/domain/queued-mail.ts";

// The dictionaries read the language of the browser when they are loaded.
Object.defineProperty(navigator, "languages", { value: ["en"], configurable: true });
const { PHASE_NAMES } = await import("../../../src/ui/i18n/failures.ts");
const { MAIL_STATE_NAMES } = await import("../../../src/ui/i18n/mail.ts");

test("the ladder has the phases in the order of a delivery", () => {
  expect(PHASE_NAMES).toEqual(PHASES);
});

test("the filter of messages has their states in the same order as the API", () => {
  expect(MAIL_STATE_NAMES).toEqual(MAIL_STATES);
});
