import { expect, test } from "bun:test";
import type { HttpClient } from "../../src/contracts/http-client.ts";
import { requestDeviceCodes } from "../../src/oauth/device-code.ts";
import { requestDeps } from "./support.ts";

const PROPER = {
  device_code: "device",
  user_code: "ABCD",
  verification_uri: "https://token.test/device",
  expires_in: 900,
  interval: 3,
};

test.each<[body: object, pause: number]>([
  [{}, 3],
  [{ expires_in: "900", interval: "3" }, 3],
  [{ interval: null }, 5],
  [{ interval: 0 }, 5],
  [{ interval: -1 }, 5],
  [{ interval: "soon" }, 5],
  [{ verification_uri_complete: null }, 3],
  [{ verification_uri_complete: "" }, 3],
])("a device response with %j gives codes, to poll every %d s", async (body, pause) => {
  const http: HttpClient = async () => Response.json({ ...PROPER, ...body });
  const request = { url: "https://token.test/devicecode", clientId: "client", scope: "mail" };
  const outcome = await requestDeviceCodes(request, requestDeps({ http }));
  expect(outcome).toMatchObject({
    successful: true,
    codes: { userCode: "ABCD", expiresInSeconds: 900, intervalSeconds: pause },
  });
});
