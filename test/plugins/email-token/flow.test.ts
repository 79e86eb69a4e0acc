import { describe, expect, test } from "bun:test";
import { ANN, codeIn, PIN, started, transactionOf, verdictOf, WRONG } from "./support.ts";

describe("a code by email", () => {
  test("is emailed after the PIN, and logs the user in with ACCEPT", async () => {
    await using it = await started();
    const serial = await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "ann", pass: PIN });
    expect(verdictOf(asked)).toEqual([200, false, "CHALLENGE"]);
    expect(asked.body.id).toBe(2);
    const transaction_id = transactionOf(asked);
    const attributes = { state: transaction_id, valid_until: "2026-06-01T12:02:00.000Z" };
    const message = "Please enter the code that was sent by mail";
    const about = { serial, type: "email", transaction_id, client_mode: "interactive", message, attributes };
    expect(asked.detail).toEqual({
      ...about,
      messages: [message],
      transaction_ids: [transaction_id],
      multi_challenge: [about],
      preferred_client_mode: "interactive",
    });
    expect(transaction_id).toMatch(/^\d{20}$/);

    const [mail] = await it.messages();
    expect(mail?.to).toEqual([{ name: "", address: ANN.email }]);
    expect(mail?.subject).toBe("Your code");
    const code = codeIn(mail ?? { headers: [], headerLines: [], attachments: [] });
    expect(code).toMatch(/^\d{6}$/);
    expect(mail?.html).toContain(`<strong>${code}</strong>`);
    expect(mail?.text).toContain("for 2 minutes");
    const header = mail?.headers.find(({ key }) => key === "otp-token");
    expect(header?.value).toBe(`"${code}"; origin="https://sealpost.test"`);

    const checked = await it.check({ user: "ann", transaction_id, pass: code });
    expect(verdictOf(checked)).toEqual([200, true, "ACCEPT"]);
    expect(checked.detail).toEqual({ message: "The code is right", serial, type: "email" });
    expect(verdictOf(await it.check({ user: "ann", transaction_id, pass: code }))).toEqual([
      200,
      false,
      "REJECT",
    ]);
  });

  test("can be triggered by an admin for a serial without a user, and checked with `state` as the transaction", async () => {
    await using it = await started();
    const serial = await it.enroll({
      user: "",
      dynamic_email: false,
      email: "desk@example.net",
      otplen: "8",
    });
    const asked = await it.trigger({ serial });
    expect(verdictOf(asked)).toEqual([200, 1, "CHALLENGE"]);
    expect(it.sent[0]?.recipient).toBe("desk@example.net");
    const code = await it.code();
    expect(code).toMatch(/^\d{8}$/);
    const checked = await it.check({ serial, state: transactionOf(asked), pass: code });
    expect(verdictOf(checked)).toEqual([200, true, "ACCEPT"]);
  });

  test("is sent in the client's language, including umlauts", async () => {
    await using it = await started();
    await it.enroll({ pin: PIN });
    const headers = { "Accept-Language": "fr, de-AT;q=0.8" };
    const asked = await it.check({ user: "ann", pass: PIN }, { headers });
    expect(asked.detail?.message).toBe("Bitte geben Sie den Code ein, der per E-Mail gesendet wurde");
    const [mail] = await it.messages();
    expect([mail?.subject, mail?.text?.includes("Wenden Sie sich an")]).toEqual(["Ihr Code", true]);
    const wrong = await it.check({ user: "ann", pass: WRONG, state: "1" }, { headers });
    expect(wrong.detail?.message).toBe("Der Code ist falsch, verbraucht oder zu alt");
  });

  test("goes to every token with this PIN, in one transaction", async () => {
    await using it = await started();
    const first = await it.enroll({ pin: PIN });
    const second = await it.enroll({ dynamic_email: false, email: "ann@example.net" });
    const asked = await it.check({ user: "ann", pass: PIN });
    expect(it.sent.map(({ recipient }) => recipient).toSorted()).toEqual(["ann@example.net", ANN.email]);
    expect(asked.detail?.transaction_ids).toHaveLength(1);
    const challenges = asked.detail?.multi_challenge as { serial: string }[];
    expect(challenges.map(({ serial }) => serial).toSorted()).toEqual([first, second].toSorted());
    const checked = await it.check({
      user: "ann",
      transaction_id: transactionOf(asked),
      pass: await it.code(),
    });
    expect(verdictOf(checked)).toEqual([200, true, "ACCEPT"]);
    const [other] = await it.messages();
    const rest = { user: "ann", transaction_id: transactionOf(asked), pass: other ? codeIn(other) : "" };
    expect(verdictOf(await it.check(rest))).toEqual([200, false, "REJECT"]);
  });

  test("does not work for another user who knows the transaction", async () => {
    await using it = await started();
    await it.post("/user/", { username: "eve", email: "eve@example.org" });
    await it.enroll({ user: "eve", pin: "of eve" });
    const serial = await it.enroll({ pin: PIN });
    const asked = await it.check({ user: "eve", pass: "of eve" });
    const own = { transaction_id: transactionOf(asked), pass: await it.code() };
    expect((await it.check({ user: "ann", ...own })).value).toBe(false);
    expect((await it.check({ serial, ...own })).value).toBe(false);
    expect((await it.check({ user: "eve", serial, ...own })).value).toBe(false);
    expect((await it.check({ user: "eve", ...own })).value).toBe(true);
  });

  test("is rejected in a query, and a missing parameter is named", async () => {
    await using it = await started();
    const query = { user: "ann", pass: "123456" };
    const response = await it.request("POST", "/validate/check", { query });
    expect([response.status, response.error?.code]).toEqual([400, 905]);
    expect((await it.check({ pass: "1" })).error?.message).toBe("ERR905: Missing parameter: user");
    expect((await it.check({ user: "ann" })).error?.message).toBe("ERR905: Missing parameter: pass");
  });
});
