import { expect, test } from "bun:test";
import { join } from "node:path";

const PROGRAM = `
  import { getLogger } from "@logtape/logtape";
  import { configureLogging } from "${join(import.meta.dir, "../../../src/runtime/local/logging.ts")}";
  await configureLogging("info");
  const error = new Error("the disk is full", { cause: new Error("ENOSPC") });
  getLogger(["sealpost", "mail"]).warning("{count} of {identifier} wait: {error}", { count: 2, identifier: "main", error });
`;

test("configureLogging() writes the message of an error into JSON lines", () => {
  const { stderr } = Bun.spawnSync([process.execPath, "-e", PROGRAM], {
    cwd: join(import.meta.dir, "../../.."),
  });
  const line = JSON.parse(stderr.toString());
  expect(line.message).toBe("2 of main wait: Error: the disk is full");
  expect(line.properties.error).toMatchObject({ message: "the disk is full", cause: { message: "ENOSPC" } });
});
