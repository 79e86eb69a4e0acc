import { expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { stopSignal } from "../../../src/runtime/local/stop-signal.ts";

test.each(["SIGINT", "SIGTERM"])(
  "stopSignal() resolves with the first signal, %s, and ignores its echo",
  async (name) => {
    const exits: unknown[] = [];
    const source = Object.assign(new EventEmitter(), { exit: (code: number) => exits.push(code) });
    const stopped = stopSignal(source);
    source.emit(name, name);
    source.emit("SIGINT", "SIGINT");
    expect(await stopped).toBe(name);
    expect(exits).toEqual([]);
  },
);
