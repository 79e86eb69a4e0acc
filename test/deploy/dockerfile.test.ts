import { expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { dependencies } from "../../package.json";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { freePort } from "../fixtures/process/port.ts";

setDefaultTimeout(TEST_MS);
const ROOT = join(import.meta.dir, "..", "..");

interface Instruction {
  readonly name: string;
  readonly value: string;
}

/** Returns the instructions of the Dockerfile, in order. */
async function instructions(): Promise<readonly Instruction[]> {
  const text = (await Bun.file(join(ROOT, "Dockerfile")).text()).replaceAll("\\\n", " ");
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const [, name = "", value = ""] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    return { name, value };
  });
}

/** Carries out the steps of the Dockerfile in a folder, in place of a daemon that builds the image. */
async function build(folder: string): Promise<Readonly<Record<string, string>>> {
  const env: Record<string, string> = {};
  for (const { name, value } of await instructions()) {
    // The dependencies that the first stage installs stay where they are.
    if (name === "COPY" && !value.startsWith("--from")) {
      const paths = value.split(/ +/);
      const target = paths.pop() ?? "";
      for (const path of paths) {
        const to = target.endsWith("/") ? join(folder, target, path) : join(folder, target);
        await mkdir(dirname(to), { recursive: true });
        await cp(join(ROOT, path), to, { recursive: true });
      }
    } else if (name === "RUN") {
      // There is no user `bun` here.
      await shell(value.replace("chown bun:bun data", "true"), folder);
    } else if (name === "ENV") {
      for (const [, key = "", text = ""] of value.matchAll(/(\w+)=(\S+)/g)) env[key] = text;
    }
  }
  return env;
}

async function shell(command: string, folder: string): Promise<void> {
  const path = `${join(ROOT, "node_modules", ".bin")}:${process.env.PATH ?? ""}`;
  const child = Bun.spawn(["sh", "-c", command], {
    cwd: folder,
    env: { ...process.env, PATH: path },
    stderr: "pipe",
  });
  const [stderr, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
}

async function argumentOf(wanted: string): Promise<string> {
  return (await instructions()).findLast(({ name }) => name === wanted)?.value ?? "";
}

test("the base image has the Bun of package.json, and the server does not run as root", async () => {
  const images = (await instructions()).filter(({ name }) => name === "FROM").map(({ value }) => value);
  expect(new Set(images.map((image) => image.split(" ")[0]))).toEqual(
    new Set([`oven/bun:${dependencies.bun}-slim`]),
  );
  expect(await argumentOf("USER")).toBe("bun");
  expect(await argumentOf("VOLUME")).toBe("/app/data");
});

test("the files of the Dockerfile are enough for a server, which is healthy and ends on SIGTERM", async () => {
  using folder = temporaryFolder();
  const env = { ...(await build(folder.path)), PATH: process.env.PATH ?? "", PORT: String(await freePort()) };
  const [, ...command]: readonly string[] = ["bun", ...JSON.parse(await argumentOf("CMD"))];
  const server = Bun.spawn([process.execPath, ...command], {
    cwd: folder.path,
    env,
    stdout: "pipe",
    stderr: "pipe",
  });
  try {
    const [, check = "[]"] = /CMD +(\[.*\])$/.exec(await argumentOf("HEALTHCHECK")) ?? [];
    const [, ...probe]: readonly string[] = JSON.parse(check);
    const isHealthy = async () =>
      (await Bun.spawn([process.execPath, ...probe], { cwd: folder.path, env, stderr: "ignore" }).exited) ===
      0;
    expect(await isHealthy()).toBe(false);
    for await (const chunk of server.stdout.pipeThrough(new TextDecoderStream())) {
      if (chunk.includes("listening on")) break;
    }
    while (!(await isHealthy()));
    expect((await fetch(`http://127.0.0.1:${env.PORT}/ui/`)).status).toBe(200);
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
  } finally {
    server.kill("SIGKILL");
  }
});
