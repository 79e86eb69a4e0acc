import { describe, expect, test } from "bun:test";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import { testInstance } from "../fixtures/instance.ts";
import { resolveRefs } from "./fixtures/resolve-refs.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly requestBody?: { readonly content: Record<string, { readonly example?: object }> };
}
interface Document {
  readonly paths: Record<string, Record<string, Operation & Json>>;
  readonly components: {
    readonly schemas: object;
    readonly responses: Record<
      string,
      { readonly content: Record<string, { readonly schema: { $ref: string } }> }
    >;
  };
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly servers: readonly object[];
  readonly info: { readonly license: object };
}

const TEXTS = ["summary", "description", "example", "examples"];
const FIRST_BODY_TYPE = "application/json";
const MAX_WORDS = 6;

/** An instance with every plugin of this repository. */
const everything = (options: { readonly baseUrl?: string } = {}) =>
  testInstance({
    plugins: [directory(), emailToken(), smsGateway(), recovery(), registration(), events()],
    ...options,
  });

async function documentOf(options: { readonly baseUrl?: string } = {}): Promise<Document> {
  await using instance = await everything(options);
  return JSON.parse((await instance.request("GET", "/openapi.json")).text);
}
const operationsOf = ({ paths }: Document) => Object.values(paths).flatMap((one) => Object.values(one));

/** Returns a part of the document without its texts. Property names are kept. */
function withoutTexts(node: Json, isNames = false): Json {
  if (Array.isArray(node)) return node.map((one) => withoutTexts(one));
  if (node === null || typeof node !== "object") return node;
  const entries = Object.entries(node).filter(([key]) => isNames || !TEXTS.includes(key));
  return Object.fromEntries(
    entries.map(([key, value]) => [key, withoutTexts(value, key === "properties" && !isNames)]),
  );
}

/** Returns an operation in the form of the fixture: parameters by name, error responses by status. */
function normalized(operation: Json): Json {
  const { parameters = [], responses, ...rest } = withoutTexts(operation) as Record<string, Json>;
  const sorted = (parameters as Json[]).toSorted((a, b) => placeOf(a).localeCompare(placeOf(b)));
  const statuses = Object.entries(responses as Record<string, Json>).map(([status, response]) => [
    status,
    status === "200" ? response : "Error",
  ]);
  return {
    ...rest,
    ...(sorted.length > 0 && { parameters: sorted }),
    responses: Object.fromEntries(statuses),
  };
}
const placeOf = (parameter: Json) => {
  const { in: source, name } = parameter as { in: string; name: string };
  return `${source} ${name}`;
};

describe("the OpenAPI document with every plugin", () => {
  test("describes the published operations, parameters and responses", async () => {
    const document = await documentOf();
    const paths = Object.entries(resolveRefs(document.paths, document) as Document["paths"]);
    const operations = paths.flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Json] => [
        `${method.toUpperCase()} ${path}`,
        normalized(operation),
      ]),
    );
    const file = Bun.file(new URL("fixtures/openapi.jsonl", import.meta.url));
    if (process.env.UPDATE_FIXTURES) {
      await file.write(operations.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    const fixture = await file.text();
    const published: [string, Json][] = fixture
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(Object.fromEntries(operations)).toEqual(Object.fromEntries(published));
  });

  test("describes every error response with the same schema", async () => {
    const { components } = await documentOf();
    const schemas = Object.values(components.responses).map(
      ({ content }) => content["application/json"]?.schema.$ref,
    );
    expect(new Set(schemas)).toEqual(new Set(["#/components/schemas/Error"]));
  });

  test("refers to schemas by name", async () => {
    const { components } = await documentOf();
    expect(Object.keys(components.schemas)).toEqual(
      expect.arrayContaining([
        "Error",
        "Session",
        "ServerDefinition",
        "Delivery",
        "ServerReport",
        "Policy",
        "AuditRow",
        "QueuedMail",
        "User",
        "Token",
        "SmsGateway",
        "EventBinding",
      ]),
    );
  });

  test("has summaries of at most six words, described tags, and JSON before forms", async () => {
    const document = await documentOf();
    const described = new Map(document.tags.map(({ name, description }) => [name, description]));
    for (const { summary, tags, operationId, requestBody } of operationsOf(document)) {
      expect([operationId, summary.split(" ").length <= MAX_WORDS, summary]).toEqual([
        operationId,
        true,
        expect.stringMatching(/^[A-Z][^.;:]*$/),
      ]);
      expect(tags.map((tag) => described.get(tag))).toEqual([expect.stringMatching(/\w/)]);
      if (requestBody) expect(Object.keys(requestBody.content)[0]).toBe(FIRST_BODY_TYPE);
    }
  });

  test("names the license by identifier, and SEALPOST_BASE_URL as the server", async () => {
    const { info, servers } = await documentOf({ baseUrl: "https://mail.example.org/sealpost/" });
    expect(info.license).toEqual({ name: "MIT License", identifier: "MIT" });
    expect(servers).toEqual([{ url: "https://mail.example.org/sealpost" }]);
  });

  test("has examples that the API accepts", async () => {
    await using instance = await everything();
    const { paths }: Document = JSON.parse((await instance.request("GET", "/openapi.json")).text);
    await instance.request("POST", "/smtpserver/main", { json: { server: "mail.example.org" } });
    let examples = 0;
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { requestBody }] of Object.entries(methods)) {
        const json = requestBody?.content[FIRST_BODY_TYPE]?.example;
        if (!json) continue;
        examples += 1;
        const index = path.replaceAll(/\{\w+\}/g, "main");
        const { status, error } = await instance.request(method.toUpperCase(), index, { json });
        expect([method, path, status, error]).toEqual([method, path, 200, undefined]);
      }
    }
    expect(examples).toBeGreaterThanOrEqual(5);
  });
});
