import { join } from "node:path";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { openDatabase } from "../src/storage/open-database.ts";
import { PEER, realRandomBytes, testInstance } from "../test/fixtures/instance.ts";

// Sealpost's side of bench/check.ts: tokens in a file, messages in memory. `POST /prepare` gives each user a token.
const [folder = ""] = process.argv.slice(2);
const url = `file:${join(folder, "ours.db")}`;
const database = openDatabase({ url, randomBytes: realRandomBytes });
const plugins = [directory(), emailToken()];
const instance = await testInstance({ database, plugins, trustedClients: [PEER] });
await instance.request("POST", "/smtpserver/default", {
  json: { server: "mail.example.org", sender: "app@example.org" },
});
const codes = new Map<string, string>();
let seen = 0;

function codeOf(address: string): string {
  for (const { recipient, bytes } of instance.sent.slice(seen)) {
    const [, code = ""] = /Your code is (\d+)/.exec(new TextDecoder().decode(bytes)) ?? [];
    codes.set(recipient, code);
  }
  seen = instance.sent.length;
  return codes.get(address) ?? "";
}

async function prepare(users: number): Promise<void> {
  for (let user = 0; user < users; user++) {
    const [username, email] = [`u${user}`, `u${user}@example.net`];
    await instance.request("POST", "/user/", { json: { username, email } });
    await instance.request("POST", "/token/init", { json: { type: "email", user: username, email } });
  }
}

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  // On a busy disk the preparation takes longer than the default of 10 s.
  idleTimeout: 0,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/prepare") {
      await prepare(Number(searchParams.get("users")));
      return new Response(instance.token);
    }
    if (pathname === "/code") return new Response(codeOf(searchParams.get("address") ?? ""));
    return instance.app.fetch(request, { peerAddress: PEER });
  },
});
console.log(server.url.origin);
