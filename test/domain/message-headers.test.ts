import { describe, expect, test } from "bun:test";
import { fieldProblem, httpFieldProblem } from "../../src/domain/message.ts";

describe("httpFieldProblem()", () => {
  test.each([
    ["List-Unsubscribe", "<https://example.org/u?id=1>"],
    ["list-unsubscribe", "<mailto:leave@example.org?subject=u>, <https://example.org/u>"],
    ["List-Unsubscribe-Post", "List-Unsubscribe=One-Click"],
    ["In-Reply-To", "<1@example.org>"],
    ["References", "<1@example.org> <2@example.org>"],
    ["X-Ticket", "Nr. 7, für Ann"],
    ["List-Unsubscribe", "<https://example.org/u?id=1,2>,<mailto:leave@example.org,list@example.org>"],
    ["List-Unsubscribe", "<mailto:leave@example.org> ,  <https://example.org/u>"],
    ["References", "<1@example.org>\t<2@example.org>  <3@example.org><4@example.org>"],
    ["X-MS-Exchange-Organization-BypassFocusedInbox", "true"],
    ["X-Mailgun-Delivery-Time-Optimize-Period", "24h"],
    ["X-Ticket_ID", "7"],
    ["x-empty", ""],
  ])("takes %s: %s", (name, value) => {
    expect(httpFieldProblem(name, value)).toBeNull();
  });

  test.each([
    ["List-Unsubscribe", "https://example.org/u"],
    ["List-Unsubscribe", "<javascript:alert(1)>"],
    ["List-Unsubscribe", "<https://example.org/ü>"],
    ["List-Unsubscribe-Post", "List-Unsubscribe=Yes"],
    ["In-Reply-To", "1@example.org"],
    ["References", "<1@example.org>\r\nBcc: <2@example.org>"],
    ["X-Ticket", "7\nBcc: a@example.org"],
    ["X-Ticket", "7\0"],
    ["X-", "7"],
    ["X Ticket", "7"],
    [`X-${"a".repeat(63)}`, "7"],
    ["List-Unsubscribe", "<https://example.org/u> <https://example.org/v>"],
    ["OTP-Token", "123456"],
    ["Auto-Submitted", "no"],
    ["Bcc", "a@example.org"],
    ["From", "a@example.org"],
    ["Precedence", "bulk"],
    ["__proto__", "x"],
    ["", "x"],
  ])("rejects %s: %j", (name, value) => {
    expect(httpFieldProblem(name, value)).toStartWith("expected ");
  });
});

describe("fieldProblem()", () => {
  test("takes any field that is not reserved", () => {
    for (const name of ["OTP-Token", "Precedence", "List-Id", "X-A", "Auto-Submitted"]) {
      expect(fieldProblem(name, "a")).toBeNull();
    }
  });

  test("rejects a reserved one", () => {
    for (const name of ["Bcc", "to", "Content-Type", "Resent-To", "ARC-Seal"]) {
      expect(fieldProblem(name, "a")).toContain("reserved");
    }
  });
});
