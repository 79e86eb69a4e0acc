import { expect, setDefaultTimeout, test } from "bun:test";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { createSmtpTransport } from "../../src/transport/smtp/index.ts";
import { CLIENT, startTokenServer } from "../fixtures/token-server.ts";
import { CHROMIUM, logIn, pageOpened, shoot, startPageServer, violationsOf } from "./fixtures/browser.ts";

setDefaultTimeout(60_000);

const MAILBOX = "mailbox@example.com";

test.skipIf(CHROMIUM === null)(
  "the page signs in with the mailbox at its provider in a new window, and the test then logs in by token",
  async () => {
    await using provider = await startTokenServer();
    await using smtp = await startSmtpServer({
      security: "starttls",
      verifyToken: (user, token) => provider.isValid(token, user),
    });
    const ca = smtp.ca === null ? [] : [smtp.ca];
    const connect = createConnect({ egress: "private", ports: [], ca });
    const transport = createSmtpTransport({
      connect,
      extraCa: ca,
      ehloName: "sealpost.test",
      now: () => new Date(),
    });
    await using server = await startPageServer("", (url) => ({ baseUrl: url, transport }));
    await server.sealpost.request("/smtpserver/main", {
      json: {
        server: "127.0.0.1",
        port: smtp.port,
        tls: true,
        username: MAILBOX,
        sender: MAILBOX,
        provider: "microsoft365",
        auth: "oauth2",
        oauth_flow: "refresh_token",
        oauth_token_url: provider.tokenUrl,
        oauth_client_id: CLIENT.id,
        oauth_client_secret: CLIENT.secret,
        oauth_scope: "mail offline_access",
      },
    });
    const page = await server.open();
    await logIn(page);
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Edit main" }).waitFor();
    const button = page.getByRole("button", { name: /^Sign in with Microsoft/ });
    await button.waitFor();
    await shoot(page, "sign-in");
    expect(await violationsOf(page)).toEqual([]);
    const opened = page.context().waitForEvent("page");
    await button.click();
    const popup = await opened;
    await popup.getByRole("heading", { name: "Signed in" }).waitFor();
    expect(popup.url()).toStartWith(`${server.url}/oauth/callback?`);
    await popup.close();
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await pageOpened(page, "Test main");
    await page.getByLabel("Send to", { exact: true }).fill("ann@example.net");
    await page.getByRole("button", { name: "Test", exact: true }).click();
    await page.getByText("The server accepted the message.").waitFor();
    await page.getByRole("listitem").filter({ hasText: "Access token" }).waitFor();
    expect(smtp.messages).toMatchObject([{ username: MAILBOX, recipients: ["ann@example.net"] }]);
    await shoot(page, "sign-in-tested");
    expect(server.problems).toEqual([]);
  },
);
