import { describe, expect, test } from "bun:test";
import { parseConfig, SETTINGS } from "../src/config.ts";
import { SealpostError } from "../src/errors.ts";

function refusal(env: Record<string, string>): SealpostError | null {
  try {
    parseConfig(env);
    return null;
  } catch (error) {
    if (error instanceof SealpostError) return error;
    throw error;
  }
}

describe("parseConfig()", () => {
  test("has a default for every setting", () => {
    expect(parseConfig({})).toMatchObject({
      ...{ host: "127.0.0.1", port: 8_080, databaseUrl: "file:data/sealpost.db", adminUser: "admin" },
      ...{
        secrets: "reveal",
        transport: "smtp",
        wake: "poll",
        tokenSeconds: 3_600,
        tlsCa: "",
        ehloName: "",
        egress: "private",
      },
      ...{
        egressPorts: [],
        trustedProxies: [],
        trustedClients: [],
        baseUrl: "",
        auditDays: 365,
        mailDays: 30,
        log: "info",
      },
    });
    expect(parseConfig({}).keys.isEmpty).toBe(true);
  });

  test("treats an empty value as absent", () => {
    const empty = Object.fromEntries(Object.values(SETTINGS).map(({ name }) => [name, ""]));
    expect(JSON.stringify(parseConfig(empty))).toBe(JSON.stringify(parseConfig({})));
  });

  test.each<[name: string, value: string, key: keyof typeof SETTINGS, parsed: unknown]>([
    ["PORT", "0", "port", 0],
    ["SEALPOST_DATABASE_URL", ":memory:", "databaseUrl", ":memory:"],
    ["SEALPOST_SECRETS", "censor", "secrets", "censor"],
    ["SEALPOST_WAKE", "bullmq", "wake", "bullmq"],
    ["SEALPOST_EGRESS_PORTS", "25, 587,", "egressPorts", [25, 587]],
    ["SEALPOST_EHLO_NAME", "[192.0.2.1]", "ehloName", "[192.0.2.1]"],
    ["SEALPOST_EHLO_NAME", "mail.bücher.example", "ehloName", "mail.xn--bcher-kva.example"],
    ["SEALPOST_BASE_URL", "https://mail.example.org/sub/", "baseUrl", "https://mail.example.org/sub/"],
    ["SEALPOST_LOG", "debug", "log", "debug"],
  ])("reads %s=%s", (name, value, key, parsed) => {
    const config: Record<string, unknown> = parseConfig({ [name]: value });
    expect(config[key]).toEqual(parsed);
  });

  test("reads CIDR blocks of proxies", () => {
    const { trustedProxies } = parseConfig({ SEALPOST_TRUSTED_PROXIES: "10.0.0.0/8, ::1" });
    expect(trustedProxies).toEqual(["10.0.0.0/8", "::1"]);
  });

  test.each<[name: string, value: string]>([
    ["PORT", "http"],
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "80.5"],
    ["SEALPOST_DATABASE_URL", "postgres://localhost"],
    ["SEALPOST_SECRETS", "hide"],
    ["SEALPOST_TRANSPORT", "pigeon"],
    ["SEALPOST_WAKE", "rooster"],
    ["SEALPOST_REDIS_URL", "http://localhost:6379"],
    ["SEALPOST_REDIS_URL", "redis://["],
    ["SEALPOST_TOKEN_SECONDS", "59"],
    ["SEALPOST_TOKEN_SECONDS", "604801"],
    ["SEALPOST_EHLO_NAME", "two words"],
    ["SEALPOST_EHLO_NAME", "a\r\nRCPT TO:<x@y>"],
    ["SEALPOST_EGRESS", "none"],
    ["SEALPOST_EGRESS_PORTS", "25,x"],
    ["SEALPOST_EGRESS_PORTS", "0"],
    ["SEALPOST_BASE_URL", "mail.example.org"],
    ["SEALPOST_BASE_URL", "ftp://mail.example.org"],
    ["SEALPOST_BASE_URL", "https://mail.example.org/?a"],
    ["SEALPOST_TRUSTED_CLIENTS", "radius.example.org"],
    ["SEALPOST_TRUSTED_PROXIES", "10.0.0.0/33"],
    ["SEALPOST_TRUSTED_PROXIES", "proxy.example.org"],
    ["SEALPOST_AUDIT_DAYS", "0"],
    ["SEALPOST_LOG", "loud"],
  ])("rejects %s=%j in one line that names it", (name, value) => {
    const error = refusal({ [name]: value });
    expect(error?.code).toBe("bad_setting");
    expect(error?.message).toStartWith(`${name}: expected `);
    expect(error?.message).not.toMatch(/[\r\n]/);
  });

  test("rejects unknown names with the prefix SEALPOST_ and ignores others", () => {
    const error = refusal({ SEALPOST_PASSWORD: "hunter2" });
    expect([error?.code, error?.parameter]).toEqual(["bad_setting", "SEALPOST_PASSWORD"]);
    expect(error?.message).toContain("SEALPOST_PASSWORD");
    expect(error?.message).not.toContain("hunter2");
    expect(refusal({ SEALPOST_TSL_CA: "x" })?.message).toBe(
      "Unknown environment variable SEALPOST_TSL_CA, did you mean SEALPOST_TLS_CA?",
    );
    expect(refusal({ SEALPOST_API_KEY: "of the command line" })).toBeNull();
    expect(refusal({ PATH: "/bin", SEALPOSTER: "x", sealpost_x: "y", DATABASE_URL: "z" })).toBeNull();
  });

  test("never prints the value of a secret", () => {
    const secrets = Object.values(SETTINGS).filter((row) => row.secret);
    expect(secrets.map(({ name }) => name)).toEqual([
      "SEALPOST_DATABASE_URL",
      "SEALPOST_DATABASE_TOKEN",
      "SEALPOST_KEYS",
      "SEALPOST_ADMIN_PASSWORD",
      "SEALPOST_REDIS_URL",
    ]);
    const url = "https://db.example.org/?authToken=hunter2";
    expect(refusal({ SEALPOST_DATABASE_URL: `postgres${url}` })?.message).not.toContain("hunter2");
    expect(refusal({ SEALPOST_REDIS_URL: "redis://:hunter2@[" })?.message).not.toContain("hunter2");
    const urls: Record<string, string> = {
      SEALPOST_DATABASE_URL: "file:x",
      SEALPOST_REDIS_URL: "redis://:hunter2@127.0.0.1",
    };
    const values = secrets.map(({ name }) => [name, urls[name] ?? "hunter2"]);
    const config = parseConfig(Object.fromEntries(values));
    expect(`${JSON.stringify(config)}${Bun.inspect(config)}`).not.toContain("hunter2");
    expect(config.keys.reveal()).toBe("hunter2");
  });

  test("every name but HOST and PORT has the prefix SEALPOST_, and none occurs twice", () => {
    const names = Object.values(SETTINGS).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const others = names.filter((name) => !name.startsWith("SEALPOST_"));
    expect(others).toEqual(["HOST", "PORT"]);
  });
});

test("parseConfig() names every unknown name and every invalid value at once", () => {
  const env = { PORT: "x", SEALPOST_LOG: "y", SEALPOST_PROT: "1", SEALPOST_KEYS: "secret-key" };
  const error = String(refusal(env));
  for (const name of ["PORT", "SEALPOST_LOG", "SEALPOST_PROT"]) expect(error).toContain(name);
  expect(error).not.toMatch(/secret-key|\n/);
});
