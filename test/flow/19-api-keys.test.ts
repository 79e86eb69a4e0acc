import { expect, setDefaultTimeout, test } from "bun:test";
import type { Envelope } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { pageCommands } from "../fixtures/process/page.ts";
import { runCli, startSealpost } from "../fixtures/process/sealpost.ts";
import { run } from "../fixtures/smime/openssl.ts";

setDefaultTimeout(TEST_MS);
const MISSING = ["bash", "curl"].filter((program) => Bun.which(program) === null);
if (MISSING.length > 0) console.warn(`Skipped: the commands of docs/api-keys.md; without ${MISSING.join()}`);

interface Created {
  readonly id: string;
  readonly key: string;
}

test.skipIf(MISSING.length > 0)("the commands of docs/api-keys.md work in their order", async () => {
  const commands = (await pageCommands("docs/api-keys.md")).flatMap((block) => block.trim().split("\n"));
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const { token, save } = await sealpost.logIn();
  await save("main", { server: "mail.example.org" });
  await save("other", { server: "mail.example.org" });
  const variables: Record<string, string> = { URL: sealpost.url, TOKEN: token };
  async function follow<V>(command: string | undefined): Promise<V | undefined> {
    const { code, stdout } = await run(["bash", "-c", `set -eu\n${command}`], variables);
    expect({ command, code }).toEqual({ command, code: 0 });
    const envelope: Envelope<V> = JSON.parse(stdout);
    return envelope.result.value;
  }
  const cli = (command: string | undefined, id = "") =>
    runCli((command ?? "").replace("bun run cli ", "").replace("$ID", id).split(" "), {
      folder: folder.path,
    });
  const [create, list, one, listKeys, remove, cliCreate, cliList, cliRemove] = commands;
  expect(commands).toHaveLength(8);

  const created = await follow<Created>(create);
  Object.assign(variables, { KEY: created?.key, ID: created?.id });
  expect(Object.keys((await follow<object>(list)) ?? {})).toEqual(["main"]);
  expect(await follow(one)).toMatchObject({ server: "mail.example.org" });
  expect(await follow(listKeys)).toMatchObject([{ name: "shop", last_used_at: expect.any(String) }]);
  expect(await follow(remove)).toBe(true);

  const printed = await cli(cliCreate);
  expect(printed).toMatchObject({ code: 0, stderr: "" });
  expect(printed.stdout).toMatch(/^sp_[\w-]{43}\n$/);
  variables.KEY = printed.stdout.trim();
  expect(Object.keys((await follow<object>(list)) ?? {})).toEqual(["main"]);
  const { stdout } = await cli(cliList);
  const [, row = ""] = stdout.split("\n");
  expect(row).toMatch(/^[\w-]{36} {2}shop {2}admin {2}smtpserver_read {2}main +- +- +[\dT:.-]+Z$/);
  const id = row.split(" ")[0] ?? "";
  expect(await cli(cliRemove, id)).toEqual({ code: 0, stdout: `${id} is removed\n`, stderr: "" });
  expect((await cli(cliRemove, id)).code).toBe(1);
  expect((await cli(cliCreate?.replace("smtpserver_read", "fly"))).stderr).toContain("rights");
  expect((await cli(cliCreate?.replace("--admin admin", "--admin eve"))).stderr).toContain("eve");
  expect((await cli(cliList)).stdout).toBe("");
});
