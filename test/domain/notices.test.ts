import { expect, test } from "bun:test";
import { NOTICE_CODES, NOTICES, notice } from "../../src/domain/notices.ts";

test("A notice fills the values into its sentence", () => {
  expect(notice("expires_soon", "certificate", { days: 12 })).toEqual({
    ...{ code: "expires_soon", parameter: "certificate" },
    text: "The certificate expires in 12 days: get a new one.",
  });
  expect(notice("rarely_verified", "private_key").text).toBe(NOTICES.rarely_verified);
});

test("A value that looks like a placeholder stays as it is", () => {
  const { text } = notice("unknown_parameter", "x", { name: "{nearest}", nearest: "port" });
  expect(text).toContain("The parameter {nearest} is not known");
});

test("Every notice is one sentence", () => {
  for (const code of NOTICE_CODES) expect(NOTICES[code]).toMatch(/^[A-Z{].*\.$/);
});
