import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import type { Operation } from "./document.ts";
import { draftAt, requestOf } from "./requests.ts";
import { problemOf } from "./responses.ts";
import { createWorld, firstPart, type World } from "./world.ts";

/** `bun run proof:openapi` sends 9,000. */
const REQUESTS = Number(process.env.GENERATED_REQUESTS ?? "350");
const SEED = Number(process.env.GENERATED_SEED ?? "14");
const MIN_SUCCESSFUL = 0.3;
/** Longer than a code is valid and than the next one is held back. */
const PAUSE_SECONDS = 121;
const TEST_MS = 300_000;

const shared = await createWorld();
afterAll(() => shared[Symbol.asyncDispose]());
const each = Math.ceil(REQUESTS / shared.operations.length);
const groups = Map.groupBy(shared.operations, ({ path }) => firstPart(path));

/** Sends the requests of an operation. @returns the share of successful ones, and what the document does not allow. */
async function send({ instance, prepare }: World, operation: Operation) {
  let successful = 0;
  const problems: string[] = [];
  for (let index = 0; index < each; index++) {
    const known = await prepare(operation);
    const [draft] = fc.sample(draftAt(operation, known, index), { numRuns: 1, seed: SEED + index });
    if (draft === undefined) continue;
    const { method, path, options } = requestOf(operation, draft, known);
    const response = await instance.request(method, path, options);
    const problem = problemOf(operation, response);
    const request = `${method} ${path} ${JSON.stringify(options).slice(0, 600)}`;
    if (problem !== null) problems.push([problem, request, response.text.slice(0, 400)].join("\n  "));
    if (response.status < 300) successful += 1;
    instance.clock.advance(PAUSE_SECONDS);
  }
  return { share: successful / each, problems };
}

test.each([...groups])(
  "generated requests to /%s get responses as the document describes them",
  async (part, group) => {
    // Arbitrary settings would disable what other groups ask for.
    await using own = part === "system" ? await createWorld() : null;
    const world = own ?? shared;
    for (const operation of group) {
      const { share, problems } = await send(world, operation);
      expect(problems).toEqual([]);
      expect([operation.operationId, share >= MIN_SUCCESSFUL, share]).toEqual([
        operation.operationId,
        true,
        share,
      ]);
    }
  },
  TEST_MS,
);

test.each(["999999", "nothing-of-that-name"])(
  "a path that ends in %s, which nothing has, gets a response as the document describes it",
  async (name) => {
    for (const operation of shared.operations) {
      const last = operation.parameters.findLast((parameter) => parameter.in === "path");
      if (last === undefined) continue;
      const known = await shared.prepare(operation);
      const [draft] = fc.sample(draftAt(operation, known, 0), { numRuns: 1, seed: SEED });
      if (draft === undefined) continue;
      const values = { ...draft.values, [last.name]: name };
      const { method, path, options } = requestOf(operation, { ...draft, values }, known);
      const response = await shared.instance.request(method, path, options);
      expect([method, path, problemOf(operation, response)]).toEqual([method, path, null]);
    }
  },
  TEST_MS,
);
