import { expect } from "bun:test";
import { definePlugin, type SealpostEvent } from "sealpost/plugin";
import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { recovery } from "sealpost/plugins/recovery";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import * as v from "valibot";
import { Secret } from "../../src/domain/secret.ts";
import { ADMIN, testInstance } from "../fixtures/instance.ts";

const CLI = { action: "cli test", administrator: "", realm: "", client: "", policies: "", requestId: "" };
export const DENIED = [403, 303];
export const ALLOWED = [200, undefined];
export const HOME = { server: "smtp.example.org", port: 587, tls: true, username: "app", password: "geheim" };
export const GATEWAY = { name: "default", "option.MAILTO": "{phone}@sms.example.org" };
export const PASSWORD = "a long passphrase";

/** A plugin that keeps the events of changes. */
const listener = (events: SealpostEvent[]) =>
  definePlugin({
    name: "listener",
    options: v.object({}),
    setup: () => ({ on: { smtpserver_rerouted: (event) => void events.push(event) } }),
  })();

/** An instance whose plugins send through `default` and, if that fails, `spare`; nothing uses `other`. */
export async function start(options: Parameters<typeof testInstance>[0] = {}) {
  const server = ["default", "spare"];
  const events: SealpostEvent[] = [];
  const plugins = [directory(), smsGateway(), emailToken({ server }), recovery({ server }), listener(events)];
  const instance = await testInstance({ plugins, ...options });
  const admin = async (method: string, path: string, json?: unknown) => {
    const { status, error } = await instance.request(method, path, json === undefined ? {} : { json });
    expect([path, status, error]).toEqual([path, 200, undefined]);
  };
  for (const name of ["default", "other"]) await admin("POST", `/smtpserver/${name}`, HOME);
  for (const name of ["default", "other"]) await admin("POST", "/smsgateway/", { ...GATEWAY, name });
  await admin("POST", "/policy/admin", { scope: "admin", action: "*", adminuser: ADMIN.username });
  /** Logs in an admin with these rights. */
  const withRights = async (username: string, action: string) => {
    await instance.services.admins.save({ username, realm: "" }, { password: new Secret(PASSWORD) }, CLI);
    await admin("POST", `/policy/${username}`, { scope: "admin", action, adminuser: username });
    const token = await instance.logIn(username, PASSWORD);
    return async (method: string, path: string, json?: unknown) => {
      const given = json === undefined ? { token } : { token, json };
      return instance.request(method, path, given);
    };
  };
  await instance.services.settled();
  events.length = 0;
  return { instance, admin, withRights, events };
}

export type Send = Awaited<ReturnType<Awaited<ReturnType<typeof start>>["withRights"]>>;
export const status = async (response: ReturnType<Send>) => {
  const { status: code, error } = await response;
  return [code, error?.code];
};

export const WRITE = "smtpserver_write, smsgateway_write, configwrite";
