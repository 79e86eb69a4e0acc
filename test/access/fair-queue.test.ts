import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FairQueue } from "../../src/access/fair-queue.ts";

/** Returns a queue with one item per letter: `aab` is two items of client a, then one of b. */
function queueOf(clients: string): FairQueue<string> {
  const queue = new FairQueue<string>();
  [...clients].forEach((client, index) => {
    queue.add(client, `${client}${index}`);
  });
  return queue;
}

function drain(queue: FairQueue<string>): string[] {
  const order: string[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) order.push(item);
  return order;
}

const someClients = fc.string({ unit: fc.constantFrom("a", "b", "c", "d"), maxLength: 30 });

describe("FairQueue", () => {
  test("serves clients in turn, and each client's items in order", () => {
    expect(drain(queueOf("aaabbc"))).toEqual(["a0", "b3", "c5", "a1", "b4", "a2"]);
  });

  test("serves a late client after at most one item of each other client", () => {
    expect(drain(queueOf("aaaaaaab")).indexOf("b7")).toBe(1);
  });

  test("indexOf() counts the items before each", () => {
    fc.assert(
      fc.property(someClients, (clients) => {
        const queue = queueOf(clients);
        const indexes = [...clients].map((client, index) => queue.indexOf(`${client}${index}`));
        const order = drain(queueOf(clients));
        expect(indexes).toEqual([...clients].map((client, index) => order.indexOf(`${client}${index}`)));
      }),
    );
  });

  test("loses only removed items", () => {
    fc.assert(
      fc.property(someClients, fc.nat(), (clients, seed) => {
        const queue = queueOf(clients);
        const items = [...clients].map((client, index) => `${client}${index}`);
        const removed = items[seed % Math.max(1, items.length)] ?? "none";
        queue.remove(removed);
        expect(queue.size).toBe(items.filter((item) => item !== removed).length);
        expect(queue.indexOf(removed)).toBeNull();
        expect(drain(queue).toSorted()).toEqual(items.filter((item) => item !== removed).toSorted());
      }),
    );
  });

  test("a client keeps its turn when one of its items is removed", () => {
    const queue = queueOf("aab");
    queue.remove("a0");
    expect(drain(queue)).toEqual(["a1", "b2"]);
  });

  test("serves groups in turn, then the clients of each group", () => {
    const queue = new FairQueue<string>((client) => client.toLowerCase());
    for (const client of "aAAaAb") queue.add(client, `${client}${queue.size}`);
    const items = ["a0", "b5", "A1", "a3", "A2", "A4"];
    expect(items.map((item) => queue.indexOf(item))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(drain(queue)).toEqual(items);
  });

  test("surplus() is of the group with the most, and within it of the client with the most", () => {
    const queue = new FairQueue<string>((client) => client.toLowerCase());
    for (const client of "aAAbc") queue.add(client, `${client}${queue.size}`);
    expect(["b", "d", "a"].map((client) => queue.surplus(client))).toEqual(["A2", "A2", undefined]);
    queue.add("A", "A5");
    expect(["a", "A"].map((client) => queue.surplus(client))).toEqual(["A5", undefined]);
  });

  test("surplus() is the newest item of the client with the most, and only for a client with fewer", () => {
    expect(queueOf("aaab").surplus("c")).toBe("a2");
    expect(queueOf("aaab").surplus("b")).toBe("a2");
    expect(queueOf("aaab").surplus("a")).toBeUndefined();
    expect(queueOf("aab").surplus("b")).toBeUndefined();
    expect(queueOf("abcd").surplus("e")).toBeUndefined();
  });
});
