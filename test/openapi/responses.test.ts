import { expect, test } from "bun:test";
import { problemOf } from "./responses.ts";
import { createWorld } from "./world.ts";

test("a response that the document does not describe is found", async () => {
  await using world = await createWorld();
  const operation = world.operations.find(({ operationId }) => operationId === "healthz");
  if (operation === undefined) throw new Error("The document has no healthz");
  const response = await world.instance.request("GET", "/healthz", { token: null });
  expect(problemOf(operation, response)).toBeNull();
  const { body } = response;
  const page = new Headers({ "content-type": "text/html" });
  expect([
    problemOf(operation, { ...response, status: 500 }),
    problemOf(operation, { ...response, status: 418 }),
    problemOf(operation, { ...response, headers: page }),
    problemOf(operation, { ...response, body: { ...body, jsonrpc: "1.0" } }),
    problemOf(operation, { ...response, body: { ...body, result: { ...body.result, value: "dead" } } }),
    problemOf(operation, { ...response, body: { ...body, detail: {} } }),
  ]).toEqual([
    "status 500",
    "status 418 is not declared",
    'status 200 has the type "text/html"',
    "status 200: body/jsonrpc must be equal to constant",
    "status 200: body/result/value must be equal to constant",
    "status 200: body must NOT have additional properties",
  ]);
});
