import { join } from "node:path";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type Api, logIn } from "../fixtures/process/api.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { SENDER, sender } from "../fixtures/smime/authority.ts";

/** The requests whose way through the code `src/README.md` describes. */
export const WALKS = ["test-mail", "email-code", "definition"] as const;
export type Walk = (typeof WALKS)[number];

const SERVER = join(import.meta.dir, "..", "..", "src", "runtime", "bun", "server.ts");
const PASSWORD = "correct horse battery";
const LISTENING = /^Sealpost is listening on (http:\S+)\n/m;
/** Work after the response is over when no file is entered for so long. */
const QUIET_MS = 200;

/** Runs the request on a fresh server. @returns the files entered for it, in order of first entry. */
export async function traceWalk(walk: Walk): Promise<readonly string[]> {
  await using smtp = await startSmtpServer({ users: { mailer: PASSWORD } });
  await using server = await startServer();
  const api = await logIn(server.url, "admin", PASSWORD);
  const definition = {
    server: `127.0.0.1:${smtp.port}`,
    username: "mailer",
    password: PASSWORD,
    sender: SENDER,
  };
  const { key, certificate } = await sender("p256");
  const signed = { ...definition, smime: true, private_key: key, certificate };

  const requests: Readonly<Record<Walk, () => Promise<boolean>>> = {
    "test-mail": async () => {
      const { body } = await api.test({ ...signed, recipient: "ann@example.net" });
      return body.result.value === true && body.detail?.smime?.signed === true;
    },
    "email-code": async () => {
      const { body } = await api.call("POST", "/validate/triggerchallenge", { user: "ann" });
      return body.result.value === 1 && smtp.messages.length === 1;
    },
    definition: async () => (await api.save("main", definition)).body.result.value === true,
  };
  if (walk === "email-code") await enrollAnn(api, definition);

  do await server.ask("record");
  while ((await untilQuiet(server)).length > 0);
  if (!(await requests[walk]())) throw new Error(`The request failed: ${walk}`);
  return await untilQuiet(server);
}

/** Waits for work after a response. @returns the files entered since recording began. */
async function untilQuiet(server: TracedServer): Promise<readonly string[]> {
  for (let files = await server.ask("report"); ; ) {
    await Bun.sleep(QUIET_MS);
    const later = await server.ask("report");
    if (later.length === files.length) return files;
    files = later;
  }
}

async function enrollAnn(api: Api, definition: object): Promise<void> {
  const calls: readonly (readonly [string, object])[] = [
    ["/smtpserver/default", definition],
    ["/user/", { username: "ann", email: "ann@example.net" }],
    ["/token/init", { type: "email", user: "ann", dynamic_email: true }],
  ];
  for (const [path, parameters] of calls) {
    const { status, body } = await api.call("POST", path, { ...parameters });
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
  }
}

interface TracedServer extends AsyncDisposable {
  readonly url: string;
  /** `record` forgets the files entered so far; both return those entered since. */
  ask(question: "record" | "report"): Promise<readonly string[]>;
}

async function startServer(): Promise<TracedServer> {
  const folder = temporaryFolder();
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const waiting: ((files: readonly string[]) => void)[] = [];
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn([process.execPath, "--preload", join(import.meta.dir, "preload.ts"), SERVER], {
    cwd: folder.path,
    env: { PATH, HOME, PORT: "0", SEALPOST_ADMIN_PASSWORD: PASSWORD },
    stdout: "pipe",
    stderr: "pipe",
    ipc: (files: readonly string[]) => waiting.shift()?.(files),
  });
  void (async () => {
    let output = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += chunk;
      const url = LISTENING.exec(output)?.[1];
      if (url !== undefined) resolve(url);
    }
    reject(new Error(`The server has ended: ${await child.stderr.text()}`));
  })();
  return {
    url: await listening,
    ask: (question) => {
      child.send(question);
      return new Promise((answer) => waiting.push(answer));
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}
