import { parseConfig } from "../src/config.ts";
import { DEFAULT_PLUGINS } from "../src/runtime/default-plugins.ts";
import { openInstance } from "../src/runtime/local/instance.ts";
import { PASSWORD } from "./process.ts";
import { repeat } from "./repeat.ts";

// The server of bench/memory.ts, with its plugins and its worker. For each line on standard input it prints its resident
// MiB. For `send` it first sends signed messages through the definition `signed`, as a plugin would.
const MAILS = 1_000;
const AT_ONCE = 5;

await using sealpost = await openInstance(parseConfig(process.env), DEFAULT_PLUGINS);
await sealpost.makeFirstAdmin({ username: "admin", password: PASSWORD });
await sealpost.start();
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) => sealpost.app.fetch(request, {}),
});
console.log(server.url.origin);

for await (const line of console) {
  if (line === "send") await send();
  console.log(process.memoryUsage().rss / 2 ** 20);
}

async function send(): Promise<void> {
  await repeat(MAILS, AT_ONCE, async () => {
    const to = [{ name: "", address: "user@example.net" }];
    const result = await sealpost.submit("signed", { to, subject: "Your code", text: "123456\n" });
    if (result.state !== "delivered" || !result.smime?.signed) throw new Error(JSON.stringify(result));
  });
}
