import { describe, expect, test } from "bun:test";
import { testInstance } from "../fixtures/instance.ts";

/** One or two sentences, with at most one colon or semicolon each. */
const SENTENCES = /^[A-Z][^.]{10,}(\.[^ .][^.]*)*\.( [A-Z][^.]{5,}(\.[^ .][^.]*)*\.)?$/;

interface View {
  readonly id: string;
  readonly errors: readonly { readonly sign: string; readonly hint: string }[];
}

describe("GET /provider/", () => {
  test("lists each preset under its ID", async () => {
    await using instance = await testInstance();
    const { status, value } = await instance.request("GET", "/provider/");
    expect(status).toBe(200);
    const views = Object.entries(value as Record<string, View>);
    expect(views.length).toBeGreaterThan(30);
    for (const [id, view] of views) expect(view.id).toBe(id);
    const without = await instance.request("GET", "/provider");
    expect(without.value).toEqual(value);
  });

  test("shows what a provider documents, and what to do about its errors", async () => {
    await using instance = await testInstance();
    const { value } = await instance.request("GET", "/provider/");
    const { microsoft365, gmail, ses, sendgrid } = value as Record<string, View>;
    expect(microsoft365).toMatchObject({
      name: "Microsoft 365",
      server: "smtp.office365.com",
      host: "smtp.office365.com",
      port: 587,
      tls: "starttls",
      username: { rule: "mailbox", value: null },
      secret: { kind: "oauth2", pattern: null },
      limits: { max_connections: 3, mails_per_minute: 30 },
      oauth: {
        token_url: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        scopes: { client_credentials: "https://outlook.office365.com/.default" },
        mechanism: "xoauth2",
      },
    });
    const disabled = microsoft365?.errors.find(({ sign }) => sign.includes("SmtpClientAuthentication"));
    expect(disabled?.hint).toContain("SMTP AUTH is disabled");
    expect(microsoft365?.errors.map(({ sign }) => sign)).toContainEqual(
      expect.stringContaining("AADSTS7000215"),
    );
    expect(gmail).toMatchObject({ server: "smtps://smtp.gmail.com", port: 465, tls: "implicit" });
    expect(ses).toMatchObject({
      server: null,
      host: null,
      host_form: "email-smtp.{region}.amazonaws.com",
      regions: { "eu-central-1": "email-smtp.eu-central-1.amazonaws.com" },
    });
    expect(sendgrid).toMatchObject({ username: { rule: "literal", value: "apikey" } });
  });

  test("has one or two sentences for each known error, with what the provider says", async () => {
    await using instance = await testInstance();
    const { value } = await instance.request("GET", "/provider/");
    const errors = Object.values(value as Record<string, View>).flatMap((view) => view.errors);
    expect(errors.length).toBeGreaterThan(50);
    for (const { sign, hint } of errors) {
      expect(sign).toMatch(/\w/);
      expect(hint).toMatch(SENTENCES);
    }
  });

  test("requires the right smtpserver_read", async () => {
    await using instance = await testInstance();
    const policy = { scope: "admin", action: "policywrite, policydelete, smtpserver_write" };
    await instance.request("POST", "/policy/p", { json: policy });
    const { status, error } = await instance.request("GET", "/provider/");
    expect([status, error?.code]).toEqual([403, 303]);
  });
});
