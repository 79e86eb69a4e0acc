import { expect } from "bun:test";
import { createDocument } from "../../../tools/workers/document.ts";
import { type ApiResponse, request } from "../../fixtures/process/api.ts";
import type { Flow, Instance } from "../flow.ts";

const PASSWORD = "of one who logs in";
const TRIES = 25;
const ALLOWED_TRIES = 10;

export const AUTHENTICATION: readonly Flow[] = [
  {
    claim: "POST /auth accepts a form, as curl sends it, and JSON, and returns a token in the envelope",
    async run({ origin, addAdmin }) {
      await addAdmin("typist", PASSWORD);
      const credentials = { username: "typist", password: PASSWORD };
      const json = JSON.stringify(credentials);
      const bodies: readonly RequestInit[] = [
        { body: new URLSearchParams(credentials) },
        { body: json, headers: { "Content-Type": "application/json" } },
        { body: json, headers: { "Content-Type": "application/x-www-form-urlencoded" } },
      ];
      const url = `${origin}/auth`;
      const responses = await Promise.all(bodies.map((init) => request(url, { method: "POST", ...init })));
      for (const { status, body } of responses) {
        expect(status).toBe(200);
        expect(body).toMatchObject({
          jsonrpc: "2.0",
          id: 2,
          result: {
            status: true,
            authentication: "ACCEPT",
            value: { username: "typist", realm: "", role: "admin", token: expect.any(String) },
          },
          time: expect.any(Number),
          version: expect.stringMatching(/^sealpost \d/),
        });
      }
    },
  },
  {
    claim: "a wrong password, a missing token and an invalid token are 401, each with its code",
    async run({ origin, admin }) {
      const codeOf = ({ status, body }: ApiResponse) => [status, body.result.error?.code];
      const wrong = new URLSearchParams({ username: "nobody", password: "wrong" });
      expect(codeOf(await request(`${origin}/auth`, { method: "POST", body: wrong }))).toEqual([401, 4031]);
      const list = (headers: Record<string, string>) => request(`${origin}/smtpserver/`, { headers });
      expect(codeOf(await list({}))).toEqual([401, 4033]);
      expect(codeOf(await list({ Authorization: `${admin.token}x` }))).toEqual([401, 4304]);
      expect((await list({ "PI-Authorization": `Bearer ${admin.token}` })).status).toBe(200);
    },
  },
  {
    claim: "of many simultaneous wrong logins ten get 401, the others 429 with Retry-After",
    async run({ origin }) {
      const body = new URLSearchParams({ username: "victim", password: "wrong" });
      const tries = Array.from({ length: TRIES }, () => logIn(origin, body));
      const responses = await Promise.all(tries);
      const refused = responses.filter(({ status }) => status === 401);
      const limited = responses.filter(({ status }) => status === 429);
      expect([refused.length, limited.length]).toEqual([ALLOWED_TRIES, TRIES - ALLOWED_TRIES]);
      for (const { headers } of limited) expect(Number(headers.get("Retry-After"))).toBeGreaterThan(0);
      await Promise.all(responses.map((response) => response.body?.cancel()));
    },
  },
  {
    claim: "every response, 404 and 405 included, is an envelope that must not be stored",
    async run({ origin, admin }) {
      const cases: readonly (readonly [method: string, path: string, status: number])[] = [
        ["GET", "/nowhere", 404],
        ["PUT", "/smtpserver/", 405],
        ["GET", "/smtpserver/unknown", 404],
        ["GET", "/healthz", 200],
        ["GET", "/readyz", 200],
      ];
      for (const [method, path, status] of cases) {
        const response = await fetch(origin + path, { method, headers: { Authorization: admin.token } });
        expect([path, response.status, response.headers.get("Cache-Control")]).toEqual([
          path,
          status,
          "no-store",
        ]);
        expect(await response.json()).toMatchObject({ jsonrpc: "2.0", result: { status: status === 200 } });
      }
    },
  },
  {
    claim: "GET /openapi.json describes the API at this address",
    async run({ origin }: Instance) {
      const document = (await (await fetch(`${origin}/openapi.json`)).json()) as Record<string, unknown>;
      expect(document).toMatchObject({
        openapi: expect.stringMatching(/^3\./),
        paths: { "/smtpserver/send_test_email": { post: {} }, "/auth": { post: {} } },
      });
    },
  },
  {
    claim: "GET /openapi.json is the document of the sources, with SEALPOST_BASE_URL as its server",
    async run({ origin }: Instance) {
      const response = await fetch(`${origin}/openapi.json`);
      expect(response.headers.get("Content-Type")).toBe("application/json");
      expect(await response.json()).toEqual(JSON.parse(await createDocument("https://sealpost.example")));
    },
  },
];

/**
 * Logs in until the login is decided. On a busy machine the queue of hashes sends logins away with 503, and a login that
 * has waited for undecided ones gets 429 for a second.
 */
async function logIn(origin: string, body: URLSearchParams): Promise<Response> {
  for (;;) {
    const response = await fetch(`${origin}/auth`, { method: "POST", body });
    const waitSeconds = Number(response.headers.get("Retry-After"));
    if (response.status !== 503 && !(response.status === 429 && waitSeconds === 1)) return response;
    expect(waitSeconds).toBeGreaterThan(0);
    await response.body?.cancel();
  }
}
