import type { TestInstance } from "../fixtures/instance.ts";
import type { RequestOptions, TestResponse } from "../fixtures/request.ts";

export const ACTOR = {
  ...{ action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" },
};
export const SECOND = { username: "second", realm: "" };
export const DEFINITION = { server: "mail.example.org", sender: "app@example.org" };

interface Created {
  readonly id: string;
  readonly key: string;
}

export const seen = ({ status, error }: TestResponse) => [status, error?.code];

/** Creates a key. @throws {Error} if that is rejected. */
export async function create(
  instance: TestInstance,
  json: object,
  options: RequestOptions = {},
): Promise<Created> {
  const { status, value, text } = await instance.request("POST", "/apikey/", {
    ...options,
    json: { name: "shop", ...json },
  });
  if (status !== 200) throw new Error(text);
  return value as Created;
}

export const listed = async (instance: TestInstance) =>
  (await instance.request("GET", "/apikey/")).value as Record<string, unknown>[];
