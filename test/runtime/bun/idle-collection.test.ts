import { beforeEach, expect, test } from "bun:test";
import { createIdleCheck } from "../../../src/runtime/bun/idle-collection.ts";

let cpuMs: number;
let nowMs: number;
let collections: number;
let collectionMs: number;
let check: () => void;

beforeEach(() => {
  cpuMs = 600;
  nowMs = 10_000;
  collections = 0;
  collectionMs = 20;
  check = createIdleCheck({
    cpuMs: () => cpuMs,
    nowMs: () => nowMs,
    collect: () => {
      collections++;
      cpuMs += collectionMs;
    },
  });
});

/** Lets two seconds pass, in which the process uses CPU time. */
function pass(usedMs: number): void {
  nowMs += 2_000;
  cpuMs += usedMs;
  check();
}

test("garbage is collected once after work, when the process has become idle", () => {
  pass(1_500);
  pass(1_500);
  expect(collections).toBe(0);
  pass(20);
  expect(collections).toBe(1);
  for (let i = 0; i < 30; i++) pass(20);
  expect(collections).toBe(1);
});

test("a process that stays busy leaves its garbage to the engine", () => {
  for (let i = 0; i < 100; i++) pass(101);
  expect(collections).toBe(0);
});

test("little work is followed by no collection", () => {
  pass(150);
  pass(0);
  expect(collections).toBe(0);
  pass(250);
  pass(0);
  expect(collections).toBe(1);
});

test("collections that take longer follow more work", () => {
  collectionMs = 100;
  pass(1_000);
  pass(0);
  expect(collections).toBe(1);
  pass(3_900);
  pass(0);
  expect(collections).toBe(1);
  pass(200);
  pass(0);
  expect(collections).toBe(2);
});

test("a late check compares the CPU time with the time that has passed", () => {
  pass(1_500);
  nowMs += 8_000;
  pass(400);
  expect(collections).toBe(1);
});
