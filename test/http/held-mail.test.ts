import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { testInstance } from "../fixtures/instance.ts";
import { drain, queue, save } from "./mail-support.ts";

/** An instance that holds messages to a, b and c. */
async function held() {
  const instance = await testInstance();
  await save(instance);
  const ids: string[] = [];
  for (const name of ["a", "b", "c"]) ids.push(await queue(instance, [`${name}@example.net`]));
  expect((await instance.request("POST", "/mail/hold")).value).toBe(3);
  return { ...instance, ids, recipients: () => instance.sent.map(({ recipient }) => recipient).toSorted() };
}

test("messages that are held wait for their release, and those that are submitted later do not", async () => {
  await using instance = await held();
  await queue(instance, ["later@example.net"]);
  await drain(instance);
  expect(instance.recipients()).toEqual(["later@example.net"]);
  expect((await instance.request("GET", "/mail/stats")).value).toMatchObject({ held: 3 });
  expect((await instance.request("POST", "/mail/release")).value).toBe(3);
  await drain(instance);
  const all = ["a@example.net", "b@example.net", "c@example.net", "later@example.net"];
  expect(instance.recipients()).toEqual(all);
  expect((await instance.request("GET", "/mail/stats")).value).toMatchObject({ held: 0 });
});

test("one held message is sent by its retry, and another one is cancelled", async () => {
  await using instance = await held();
  const [first = "", second = ""] = instance.ids;
  expect((await instance.request("POST", `/mail/${first}/retry`)).value).toBe(true);
  expect((await instance.request("POST", `/mail/${second}/cancel`)).value).toBe(true);
  await drain(instance);
  expect(instance.recipients()).toEqual(["a@example.net"]);
  expect((await instance.request("POST", "/mail/release")).value).toBe(1);
});

test("a held message that its old instance was sending is retried or cancelled", async () => {
  await using instance = await held();
  const { database, ids, request } = instance;
  await database.commit([
    database.write.run(sql`UPDATE mail SET state = 'sending', lease = 'old', begun = 1`),
  ]);
  const [first = "", second = "", third = ""] = ids;
  expect((await request("POST", `/mail/${first}/retry`)).value).toBe(true);
  expect((await request("POST", `/mail/${second}/cancel`)).value).toBe(true);
  await drain(instance);
  expect(instance.recipients()).toEqual(["a@example.net"]);
  expect((await request("GET", `/mail/${second}`)).value).toMatchObject({ state: "unknown", held: false });
  expect((await request("GET", `/mail/${third}`)).value).toMatchObject({ state: "sending", held: true });
});

test("a held message whose time is over is sent by its retry, unless it has expired", async () => {
  await using instance = await held();
  const { database, ids, request } = instance;
  const [first = "", second = ""] = ids;
  await database.commit([
    database.write.run(sql`UPDATE mail SET give_up_at = 1`),
    database.write.run(sql`UPDATE mail SET expires_at = 1 WHERE id = ${second}`),
  ]);
  expect((await request("POST", `/mail/${first}/retry`)).value).toBe(true);
  expect((await request("POST", `/mail/${second}/retry`)).error?.message).toContain("has expired");
  await drain(instance);
  expect(instance.recipients()).toEqual(["a@example.net"]);
});

test("a held message is shown as held, without a next attempt", async () => {
  await using instance = await held();
  const { ids, request } = instance;
  const later = await queue(instance, ["later@example.net"]);
  const shown = (await request("GET", "/mail/", { query: { state: "queued" } })).value as {
    mails: {
      id: string;
      held: boolean;
      next_try: string | null;
      recipients: { next_try: string | null }[];
    }[];
  };
  const byId = new Map(shown.mails.map((mail) => [mail.id, mail]));
  const none = { held: true, next_try: null, recipients: [{ next_try: null }] };
  expect(ids.map((id) => byId.get(id))).toMatchObject([none, none, none]);
  expect(byId.get(later)).toMatchObject({ held: false, next_try: expect.any(String) });
});

test("a hold and a release are in the audit log, and the doctor counts held messages", async () => {
  await using instance = await held();
  const doctor = await instance.request("GET", "/system/doctor");
  expect(JSON.stringify(doctor.value)).toContain("POST /mail/release");
  await instance.request("POST", "/mail/release");
  const { text } = await instance.request("GET", "/audit/");
  for (const action of ["POST /mail/hold", "POST /mail/release"]) expect(text).toContain(action);
});
