import { dirname, join } from "node:path";
import {
  type Argument,
  type CallExpression,
  type Expression,
  type ObjectExpression,
  type ParseResult,
  type PropertyKey,
  parseSync,
  Visitor,
} from "oxc-parser";
import type { Route } from "../../src/contracts/route.ts";
import { type Cut, type LeanSource, type Span, withCuts } from "./cuts.ts";

const ROOT = join(import.meta.dir, "..", "..");

/** The properties of a route's declaration, and whether only the OpenAPI document reads them. */
const DECLARATION: Readonly<Record<keyof Route["declaration"], boolean>> = {
  method: false,
  path: false,
  right: false,
  open: false,
  anyAdmin: false,
  isProvedByRead: false,
  parameters: false,
  maxBodyBytes: false,
  isQuiet: false,
  sharesPath: false,
  checkNames: false,
  isHidden: true,
  summary: true,
  description: true,
  operationId: true,
  tag: true,
  response: true,
  detail: true,
  errors: true,
  headers: true,
  media: true,
  example: true,
};

/** Functions that add to their argument of this index what only the document reads. */
const HELPERS: Readonly<Record<string, number>> = { described: 0, named: 1, tagged: 1 };

/** Actions of a pipe that only the document reads. */
const ACTIONS = ["description", "metadata"];

/** Tables whose rows have a property that only the document reads. */
const TABLES = [
  { file: "src/domain/definition-fields.ts", table: "DEFINITION_FIELDS", property: "description" },
  { file: "plugins/email-token/state-routes.ts", table: "COUNTED", property: "description" },
  { file: "plugins/events/form.ts", table: "DESCRIPTIONS", property: "summary" },
];

/** Arguments that only the documentation reads, by their index. */
const TEXTS = [{ file: "src/config.ts", call: "setting", index: 3 }];

/** Names of the parts that the sources have somewhere. */
export const DOCUMENTATION: readonly string[] = [
  ...Object.entries(DECLARATION).flatMap(([name, isDocumentation]) => (isDocumentation ? [`.${name}`] : [])),
  ...Object.keys(HELPERS).map((name) => `${name}()`),
  ...ACTIONS.map((name) => `v.${name}()`),
  ...TABLES.map(({ table, property }) => `${table}.${property}`),
  ...TEXTS.map(({ call }) => `${call}()`),
];

/**
 * Returns a source without the parts that only the OpenAPI document and the documentation read.
 * @throws {Error} if a route's declaration is not written out where it can be read.
 */
export function withoutDocs(path: string, text: string): LeanSource {
  return new Editor(path, text).lean();
}

class Editor {
  readonly #path: string;
  readonly #text: string;
  readonly #parsed: ParseResult;
  readonly #found = new Set<string>();
  readonly #cuts: Cut[] = [];
  readonly #constants = new Map<string, Expression>();
  readonly #seen = new Set<ObjectExpression>();

  constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
    this.#parsed = parseSync(path, text);
  }

  lean(): LeanSource {
    const imported = this.#imported();
    const { program } = this.#parsed;
    new Visitor({
      VariableDeclarator: ({ id, init }) => {
        if (id.type === "Identifier" && init) this.#constants.set(id.name, init);
      },
    }).visit(program);
    new Visitor({
      CallExpression: (call) => {
        const { callee } = call;
        if (callee.type === "Identifier" && imported.has(callee.name)) this.#cutHelper(callee.name, call);
        if (memberOf(callee) === "v.pipe") this.#cutActions(call);
        if (callee.type === "Identifier") this.#cutTexts(callee.name, call);
      },
    }).visit(program);
    this.#cutTables();
    return { text: withCuts(this.#text, this.#cuts), found: this.#found };
  }

  /** Returns the names that the source imports from the files of routes and schemas. */
  #imported(): ReadonlySet<string> {
    const names = this.#parsed.module.staticImports.flatMap(({ moduleRequest: { value }, entries }) =>
      isDoor(this.#path, value) ? entries.map(({ localName }) => localName.value) : [],
    );
    return new Set(names);
  }

  #cutHelper(name: string, { start, end, arguments: given }: CallExpression): void {
    if (name === "route") this.#cutDeclaration(given[0]);
    const index = HELPERS[name];
    const kept = index === undefined ? undefined : given[index];
    if (kept === undefined) return;
    this.#found.add(`${name}()`);
    this.#cuts.push({ start, end: kept.start, by: "(" }, { start: kept.end, end, by: ")" });
  }

  #cutTexts(name: string, { arguments: given }: CallExpression): void {
    for (const { file, call, index } of TEXTS) {
      const text = given[index];
      if (text === undefined || call !== name || join(ROOT, file) !== this.#path) continue;
      this.#found.add(`${call}()`);
      this.#cuts.push({ start: text.start, end: text.end, by: '""' });
    }
  }

  #cutActions({ arguments: given }: CallExpression): void {
    for (const action of given) {
      const name = action.type === "CallExpression" ? memberOf(action.callee) : null;
      if (name !== null && ACTIONS.some((one) => name === `v.${one}`)) this.#cutItem(`${name}()`, action);
    }
  }

  /** Cuts the properties of a declaration, also of those that it spreads. */
  #cutDeclaration(declaration: Argument | undefined): void {
    const isName = declaration?.type === "Identifier";
    const object = objectOf(isName ? this.#constants.get(declaration.name) : declaration);
    if (object === undefined) throw new Error(`Cannot read the declaration of a route in ${this.#path}`);
    if (this.#seen.has(object)) return;
    this.#seen.add(object);
    for (const property of object.properties) {
      if (property.type === "SpreadElement") this.#cutDeclaration(property.argument);
      else if (isDocumentation(nameOf(property.key))) this.#cutItem(`.${nameOf(property.key)}`, property);
    }
  }

  #cutTables(): void {
    for (const { file, table, property } of TABLES) {
      if (join(ROOT, file) !== this.#path) continue;
      for (const row of rowsOf(this.#constants.get(table))) {
        const one = row.properties.find((item) => item.type === "Property" && nameOf(item.key) === property);
        if (one) this.#cutItem(`${table}.${property}`, one);
      }
    }
  }

  /** Cuts an item of a list with the comma that follows. */
  #cutItem(name: string, { start, end }: Span): void {
    const [comma = ""] = /^\s*,/.exec(this.#text.slice(end)) ?? [];
    this.#found.add(name);
    this.#cuts.push({ start, end: end + comma.length, by: "" });
  }
}

function isDoor(path: string, specifier: string): boolean {
  if (specifier === "sealpost/plugin") return true;
  const file = join(dirname(path), specifier);
  return ["schemas", "route"].some((name) => file === join(ROOT, "src", "wire", `${name}.ts`));
}

const isDocumentation = (name: string) => DOCUMENTATION.includes(`.${name}`);

type Given = Argument | Expression | null | undefined;

/** Returns an object literal; `undefined` for another expression. */
function objectOf(given: Given): ObjectExpression | undefined {
  const bare = withoutType(given);
  return bare?.type === "ObjectExpression" ? bare : undefined;
}

/** Returns an expression without the assertion of its type. */
function withoutType(given: Given): Given {
  const isAsserted = given?.type === "TSAsExpression" || given?.type === "TSSatisfiesExpression";
  return isAsserted ? withoutType(given.expression) : given;
}

/** Returns the object literals of a table, which is an object or a list. */
function rowsOf(table: Expression | undefined): ObjectExpression[] {
  const bare = withoutType(table);
  const values =
    bare?.type === "ArrayExpression"
      ? bare.elements
      : objectOf(bare)?.properties.map((row) => (row.type === "Property" ? row.value : null));
  return (values ?? []).flatMap((value) => (value?.type === "SpreadElement" ? [] : (objectOf(value) ?? [])));
}

/** Returns `object.member`; `null` for another expression. */
function memberOf(callee: Expression): string | null {
  if (callee.type !== "MemberExpression" || callee.object.type !== "Identifier") return null;
  return `${callee.object.name}.${nameOf(callee.property)}`;
}

function nameOf(key: PropertyKey): string {
  return key.type === "Identifier" ? key.name : "";
}
