import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { Secret } from "../../src/domain/secret.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { testInstance } from "../fixtures/instance.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { makeTransport } from "../transport/support.ts";
import { adminTool, CLIENTS, type ClientProgram, type Place } from "./clients/programs.ts";
import { obstacleOf } from "./smime/programs.ts";

/** `bun run proof:clients` asks for it: clients of privacyIDEA by their own authors. */
const IS_WANTED = process.env.CLIENTS === "1";
const TEST_MS = 300_000;
setDefaultTimeout(TEST_MS);

const USER = "jörg ä@corp.example";
const PINS = ["s@lt", "1+1 9%41", "größe & 100%"];
/** Also with what form encoding changes. */
const ADMIN = { username: "service", password: "s@lt 1+1 9%41 &=" };

const CLI = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };

/** A server with a user, whose codes arrive at a mail server of the test. */
async function started() {
  const smtp = await startSmtpServer();
  const transport = makeTransport({});
  const plugins = [directory(), emailToken()];
  const instance = await testInstance({ plugins, transport, trustedClients: ["127.0.0.1"] });
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: (request) => instance.app.fetch(request, { peerAddress: "127.0.0.1" }),
  });
  const folder = temporaryFolder();
  await instance.services.admins.save(
    { username: ADMIN.username, realm: "" },
    { password: new Secret(ADMIN.password) },
    CLI,
  );
  const post = async (path: string, json: object) => {
    const response = await instance.request("POST", path, { json });
    if (response.status !== 200) throw new Error(response.text);
    return response;
  };
  await post("/smtpserver/default", { server: `127.0.0.1:${smtp.port}`, sender: "codes@example.org" });
  const place: Place = {
    url: `http://127.0.0.1:${server.port}`,
    folder: folder.path,
    admin: ADMIN,
    realm: "default",
  };
  return {
    ...{ post, place },
    /** The code of the newest message. */
    code: () => /\b\d{6}\b/.exec(new TextDecoder().decode(smtp.messages.at(-1)?.bytes))?.[0] ?? "",
    /** Lets the next code be sent. */
    wait: () => instance.clock.advance(121),
    async [Symbol.asyncDispose]() {
      await server.stop(true);
      await instance[Symbol.asyncDispose]();
      await smtp[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Starts the driver of a client. */
function drive({ command, env = () => ({}) }: ClientProgram, place: Place) {
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn([...command(place)], {
    env: { PATH, HOME, LC_ALL: "C.UTF-8", ...env() },
    ...{ stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return {
    /** Writes a line. @returns the verdict that the client prints. */
    async ask(line: string): Promise<string> {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
      while (!rest.includes("\n")) {
        const { value, done } = await lines.read();
        if (done) throw new Error(`It ended: ${await new Response(child.stderr).text()}`);
        rest += value;
      }
      const [verdict = "", ...others] = rest.split("\n");
      rest = others.join("\n");
      return verdict;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

for (const program of CLIENTS) {
  const obstacle = IS_WANTED ? program.obstacle() : "bun run proof:clients runs it";
  if (IS_WANTED && obstacle !== null) console.warn(`Skipped: ${program.name}; ${obstacle}`);
  describe.skipIf(obstacle !== null)(program.name, () => testClient(program));
}

function testClient(program: ClientProgram): void {
  const running: AsyncDisposable[] = [];
  afterAll(async () => {
    for (const one of running) await one[Symbol.asyncDispose]();
  });

  test.each(PINS)("gets a code with the PIN %j, and is accepted with it", async (pin) => {
    await using it = await started();
    await it.post("/user/", { username: USER, email: "joerg@example.org" });
    await it.post("/token/init", { type: "email", user: USER, dynamic_email: true, pin });
    await using client = drive(program, it.place);
    expect(await client.ask(`${USER}\t${pin}x`)).toBe("REJECT");
    expect(await client.ask(`${USER}\t`)).toBe("REJECT");
    expect(await client.ask(`nobody\t${pin}`)).toBe("REJECT");
    expect(await client.ask(`${USER}\t${pin}`)).toBe("CHALLENGE");
    expect(await client.ask("000000x")).toBe("REJECT");
    it.wait();
    expect(await client.ask(`${USER}\t${pin}`)).toBe("CHALLENGE");
    expect(await client.ask(it.code())).toBe("ACCEPT");
  });

  test.skipIf(!program.hasServiceAccount)(
    "triggers a code and lists tokens with its service account",
    async () => {
      await using it = await started();
      await it.post("/user/", { username: USER, email: "joerg@example.org" });
      await it.post("/token/init", { type: "email", user: USER, dynamic_email: true });
      await using client = drive(program, it.place);
      expect(await client.ask(`trigger\t\t${USER}`)).toBe("CHALLENGE");
      expect(await client.ask(it.code())).toBe("ACCEPT");
      expect(await client.ask(`tokens\t\t${USER}`)).toBe("1");
    },
  );
}

const toolObstacle = IS_WANTED ? obstacleOf(["python3", "pip3"]) : "bun run proof:clients runs it";
if (IS_WANTED && toolObstacle !== null) console.warn(`Skipped: privacyideaadm; ${toolObstacle}`);

describe.skipIf(toolObstacle !== null)("privacyideaadm", () => {
  test("logs in, lists tokens, users, audit rows and settings, and changes tokens", async () => {
    await using it = await started();
    await it.post("/user/", { username: USER, email: "joerg@example.org" });
    const { command, env } = adminTool();
    const { PATH = "" } = process.env;
    const run = async (...parameters: readonly string[]): Promise<string> => {
      const login = ["-U", it.place.url, "-a", ADMIN.username, "-p", ADMIN.password];
      const child = Bun.spawn([...command, ...login, ...parameters], {
        env: { PATH, ...env },
        ...{ stdout: "pipe", stderr: "pipe" },
      });
      const [output, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      if ((await child.exited) !== 0) throw new Error(`${parameters.join(" ")}: ${errors}${output}`);
      return output;
    };
    const serial = "EM1";
    await it.post("/token/init", { type: "email", user: USER, dynamic_email: true, serial });
    expect(await run("token", "list")).toContain(serial);
    expect(await run("user", "list")).toContain("joerg@example.org");
    expect(await run("audit", "list")).toContain("POST /auth");
    expect(await run("config", "list")).toContain("email.validtime");
    const on = ["--serial", serial];
    for (const [command, ...more] of [
      ["set", "--description", "A token"],
      ["disable"],
      ["enabletoken"],
      ["unassigntoken"],
      ["assigntoken", "--user", USER],
      ["delete"],
    ]) {
      expect(await run("token", command ?? "", ...on, ...more)).toMatch(/'value': (1|True)|'status': True/);
    }
    expect(await run("token", "list")).not.toContain(serial);
  });
});
