import { parseConfig } from "../src/config.ts";
import { listen } from "../src/runtime/bun/http-server.ts";
import { collectWhenIdle } from "../src/runtime/bun/idle-collection.ts";
import { DEFAULT_PLUGINS } from "../src/runtime/default-plugins.ts";
import { openInstance } from "../src/runtime/local/instance.ts";
import { PASSWORD } from "./process.ts";
import { repeat } from "./repeat.ts";

// The server of bench/memory.ts, as src/runtime/bun/server.ts runs it, with its plugins and its worker. For each line on
// standard input it prints its resident MiB. For `send` it first sends signed messages through the definition `signed`, as
// a plugin would.
const MAILS = 1_000;
const AT_ONCE = 5;

collectWhenIdle();
await using sealpost = await openInstance(parseConfig(process.env), DEFAULT_PLUGINS);
await sealpost.makeFirstAdmin({ username: "admin", password: PASSWORD });
await sealpost.start();
const { url } = listen({ host: "127.0.0.1", port: 0, respond: sealpost.app.fetch });
console.log(url.origin);

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
