import { join } from "node:path";
import offenders from "./gate/offenders.json";
import { roomOf } from "./gate/rooms.ts";
import { byRoom, RULES, type Rule, readProse } from "./gate/rules.ts";
import { type Offense, readSources } from "./gate/sources.ts";

/*
Checks the rules of the house against the list of present offenders, which may only shrink.
  bun tools/gate.ts                      the check
  bun tools/gate.ts --exact              the check, and that the list has no offenders that are gone
  bun tools/gate.ts --update             shrinks the list after offenders are gone
  bun tools/gate.ts --list RULE [ROOM]   every offense of a rule
  bun tools/gate.ts --counts             one line a rule
*/

const LIST = join(import.meta.dir, "gate", "offenders.json");
const MAX_SHOWN = 20;

type Counts = Readonly<Record<string, number>>;

const listed = new Map<string, Counts>(Object.entries<Counts>(offenders));
const sources = await readSources();
const given = { sources, prose: await readProse(sources) };
const found = RULES.map((rule) => ({ rule, offenses: rule.find(given) }));

const [command = "", ...names] = process.argv.slice(2);
if (command === "--list") list(names[0] ?? "", names[1]);
else if (command === "--counts") count();
else if (command === "--update") await update();
else check(command === "--exact");

function check(isExact: boolean): void {
  const grown = found.filter(({ rule, offenses }) => hasGrown(rule, offenses));
  for (const { rule, offenses } of grown) complain(rule, offenses);
  if (grown.length > 0) process.exit(1);
  const stale = found.filter(({ rule, offenses }) => {
    return !Bun.deepEquals(listable(rule, offenses), listed.get(rule.name) ?? {});
  });
  if (isExact && stale.length > 0) {
    const names = stale.map(({ rule }) => rule.name).join(", ");
    console.error(
      `Offenders of ${names} are gone: remove them from the list with bun tools/gate.ts --update`,
    );
    process.exit(1);
  }
  console.log("The rules of the house hold");
}

/** Prints the offenses of the rooms that have more than the list. */
function complain({ name, advice }: Rule, offenses: readonly Offense[]): void {
  const before = listed.get(name) ?? {};
  const rooms = Object.entries(byRoom(offenses)).filter(([room, count]) => count > (before[room] ?? 0));
  for (const [room, count] of rooms) {
    console.error(`${name}: ${room} has ${count}, ${before[room] ?? 0} are listed: ${advice}`);
    const inRoom = offenses.filter(({ path }) => roomOf(path) === room);
    for (const offense of inRoom.slice(0, MAX_SHOWN)) console.error(`  ${format(offense)}`);
    if (inRoom.length > MAX_SHOWN) console.error(`  all: bun tools/gate.ts --list ${name} ${room}`);
  }
}

async function update(): Promise<void> {
  const grown = found.filter(({ rule, offenses }) => hasGrown(rule, offenses));
  for (const { rule, offenses } of grown) complain(rule, offenses);
  if (grown.length > 0) {
    console.error("The list only shrinks: nothing is written");
    process.exit(1);
  }
  const counts = found.map(({ rule, offenses }) => [rule.name, listable(rule, offenses)] as const);
  const left = Object.fromEntries(counts.filter(([, rooms]) => total(rooms) > 0));
  await Bun.write(LIST, `${JSON.stringify(left, null, 2)}\n`);
}

function list(name: string, room: string | undefined): void {
  const offenses = found.find(({ rule }) => rule.name === name)?.offenses;
  if (offenses === undefined) throw new Error(`No rule is named ${name}`);
  const wanted = offenses.filter(({ path }) => room === undefined || roomOf(path) === room);
  for (const offense of wanted) console.log(format(offense));
}

function count(): void {
  for (const { rule, offenses } of found) console.log(`${rule.name}: ${offenses.length}`);
}

function hasGrown(rule: Rule, offenses: readonly Offense[]): boolean {
  // Compares sums, so that a file can move from room to room.
  return total(listable(rule, offenses)) > total(listed.get(rule.name) ?? {});
}

/** Returns the counts for the list: none while the rule permits as many. */
function listable({ allowed }: Rule, offenses: readonly Offense[]): Counts {
  return offenses.length <= (allowed?.(given) ?? 0) ? {} : byRoom(offenses);
}

function total(rooms: Counts): number {
  return Object.values(rooms).reduce((sum, value) => sum + value, 0);
}

function format({ path, line, what }: Offense): string {
  return `${path}:${line} ${what}`;
}
