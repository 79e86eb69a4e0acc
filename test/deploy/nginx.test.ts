import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { $ } from "bun";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { request, session } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { freePort } from "../fixtures/process/port.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);
const SITE = join(import.meta.dir, "..", "..", "deploy", "nginx.conf");
const nginx = Bun.which("nginx");
const openssl = Bun.which("openssl");
const obstacle = nginx === null || openssl === null ? "nginx or openssl is not installed" : "";
if (obstacle !== "") console.warn(`Skipped: the site of nginx; ${obstacle}`);

interface Login {
  readonly token: string;
}

/** Starts nginx with the published site, on a free port, in front of a Sealpost. */
async function startNginx(folder: string, upstream: string) {
  const port = await freePort();
  const pair = ["-keyout", join(folder, "sealpost.key"), "-out", join(folder, "sealpost.pem")];
  await $`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=sealpost.example.org ${pair}`.quiet();
  const site = (await Bun.file(SITE).text())
    .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
    .replaceAll("/etc/ssl/", `${folder}/`)
    .replace("http://127.0.0.1:8080/", `${upstream}/`);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const conf = [
    `pid ${folder}/nginx.pid; error_log ${folder}/error.log; daemon off; worker_processes 1;`,
    "events { worker_connections 64; }",
    `http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}`,
    site,
    "}",
  ].join("\n");
  const file = join(folder, "nginx.conf");
  await Bun.write(file, conf);
  await $`${nginx} -t -c ${file} -e ${folder}/error.log`.quiet();
  const child = Bun.spawn([nginx ?? "", "-c", file, "-e", `${folder}/error.log`], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  return {
    url: `https://127.0.0.1:${port}/mail`,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

/** The certificate of nginx is self-signed. */
const INSECURE = { tls: { rejectUnauthorized: false } };

test.skipIf(obstacle !== "")(
  "behind the published nginx site, under a path, a login and a test message work",
  async () => {
    using folder = temporaryFolder();
    await using smtp = await startSmtpServer();
    await using sealpost = await startSealpost({
      folder: folder.path,
      env: { SEALPOST_TRUSTED_PROXIES: "127.0.0.1", SEALPOST_BASE_URL: "https://sealpost.example.org/mail" },
    });
    await using proxy = await startNginx(folder.path, sealpost.url);
    const post = async <V>(path: string, json: object, token = "") => {
      const headers = {
        "Content-Type": "application/json",
        Authorization: token,
        "X-Forwarded-For": "192.0.2.7",
      };
      const init = { method: "POST", headers, body: JSON.stringify(json), ...INSECURE };
      return (await untilUp(() => request<V>(`${proxy.url}${path}`, init))).body;
    };
    const login = await post<Login>("/auth", { username: "admin", password: sealpost.password });
    const token = login.result.value?.token ?? "";
    const definition = { server: "127.0.0.1", port: smtp.port, sender: "a@example.org" };
    const tested = await post(
      "/smtpserver/send_test_email",
      { ...definition, recipient: "b@example.net" },
      token,
    );
    expect(tested.result.value).toBe(true);
    expect(smtp.messages).toHaveLength(1);

    const document: unknown = await (await fetch(`${proxy.url}/openapi.json`, INSECURE)).json();
    expect(document).toHaveProperty("servers", [{ url: "https://sealpost.example.org/mail" }]);
    // The client's own header is not believed.
    const rows = await session(sealpost.url, token).audit();
    expect(new Set(rows.map(({ client }) => client))).toEqual(new Set(["127.0.0.1"]));
  },
);

/** nginx listens a moment after its start. */
async function untilUp<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      if (attempt === 100) throw error;
      await Bun.sleep(50);
    }
  }
}
