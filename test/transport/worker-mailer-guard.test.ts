import { describe, expect, test } from "bun:test";
import { Guard, LIBRARY_LINES, type LibraryAct } from "../../src/transport/worker-mailer-guard.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The library's side of a guard. */
function makeLibrary() {
  const acts: LibraryAct[] = [];
  let refusals = 0;
  let upgrades = 0;
  const guard = new Guard({
    perform: async (act) => void acts.push(act),
    startTls: () => upgrades++,
    refuse: () => refusals++,
  });
  const socket = guard.socket();
  const writer = socket.writable.getWriter();
  const reader = socket.readable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  return {
    ...{ guard, socket, acts },
    write: (text: string) => writer.write(encoder.encode(text)),
    read: async () => decoder.decode((await reader.read()).value),
    get refusals() {
      return refusals;
    },
    get upgrades() {
      return upgrades;
    },
  };
}

describe("Guard", () => {
  test("takes each line of the table for what it means", async () => {
    const library = makeLibrary();
    for (const line of Object.keys(LIBRARY_LINES)) await library.write(line);
    expect(library.acts).toEqual(Object.values(LIBRARY_LINES));
  });

  test.each([
    "MAIL FROM: <sender@example.org>\r\n",
    "MAIL FROM: <sender>\r\nRCPT TO: <b@example.org>\r\n",
    "RCPT TO: <recipient> NOTIFY=NEVER\r\n",
    "AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=\r\n",
    "DATA",
    "DATA\n",
    "RSET\r\n",
    "QUIT\r\n",
    "constructor",
    "",
  ])("refuses %j, and passes nothing on", async (text) => {
    const library = makeLibrary();
    expect(await library.write(text).catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    expect(library.acts).toEqual([]);
    expect(library.refusals).toBe(1);
  });

  test("takes a body after 354 only, and only whole", async () => {
    const body = "Subject: x\r\n\r\nx\r\n.\r\n";
    const early = makeLibrary();
    expect(await early.write(body).catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    const half = makeLibrary();
    half.guard.reply(354);
    expect(await half.write("Subject: x\r\n").catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    const whole = makeLibrary();
    whole.guard.reply(354);
    await whole.write(body);
    expect(whole.acts).toEqual(["body"]);
  });

  test("a command after 354 is no body, and goes nowhere", async () => {
    const library = makeLibrary();
    library.guard.reply(354);
    expect(await library.write("DATA\r\n").catch((error: unknown) => error)).toBeInstanceOf(TypeError);
    expect(library.acts).toEqual([]);
  });

  test("tells replies in words of its own", async () => {
    const library = makeLibrary();
    library.guard.reply(250, ["STARTTLS"]);
    expect(await library.read()).toBe("250-guard\r\n250 STARTTLS\r\n");
    library.guard.reply(550);
    expect(await library.read()).toBe("550 guard\r\n");
  });

  test("ends by an error, never by the end of the stream", async () => {
    const library = makeLibrary();
    const waiting = library.read().catch((error: unknown) => error);
    library.guard.end();
    library.guard.end();
    expect(await waiting).toBeInstanceOf(Error);
    expect(await library.read().catch((error: unknown) => error)).toBeInstanceOf(Error);
    expect(await library.write("DATA\r\n").catch((error: unknown) => error)).toBeInstanceOf(Error);
    expect(library.acts).toEqual([]);
  });

  test("gives another socket after STARTTLS, and the replies go there", async () => {
    const library = makeLibrary();
    const secure = library.socket.startTls();
    expect(library.upgrades).toBe(1);
    library.guard.reply(250);
    const { value } = await secure.readable.getReader().read();
    expect(decoder.decode(value as Uint8Array)).toBe("250 guard\r\n");
  });
});
