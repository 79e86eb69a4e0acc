import type { Import, Source } from "./sources.ts";

/**
 * Imports fall: a room may import from every layer below its own. Rooms of one layer do not know each other.
 * `doors` are `src/index.ts`, `src/plugin.ts` and `src/driver.ts`.
 */
const LAYERS: readonly (readonly string[])[] = [
  ["cli", "testing", "ui"],
  ["runtime"],
  ["doors"],
  ["sealpost"],
  ["app"],
  ["services"],
  ["work"],
  ["config"],
  ["http"],
  ["plugin"],
  ["wire"],
  ["mail"],
  ["access"],
  ["message", "smime", "secrets", "smtp", "oauth", "storage", "transport", "wake"],
  ["async", "telemetry"],
  ["contracts"],
  ["domain"],
  ["errors", "version"],
];

/** Imports within a layer. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  transport: ["smtp", "oauth"],
};

const LEAVES = ["message", "smime", "secrets", "smtp", "oauth", "storage", "transport", "wake", "async"];

/** Imports that the layers would allow and the design does not. */
const NEVER: Readonly<Record<string, readonly string[]>> = {
  http: LEAVES,
};

/** Packages that a file in `plugins/` may import. */
const OF_PLUGINS = /^(sealpost|sealpost\/plugin|hono|valibot|drizzle-orm)$|^(hono|valibot|drizzle-orm)\//;

/** The rooms that may import the plugins: one by their names in the package, the page only types of their routes. */
const KNOWS_PLUGINS = /^(runtime|ui)$/;

/** The room of a file: its folder in `src`, `plugins/<name>`, `test/<folder>`, or the folder or file at the top. */
export function roomOf(path: string): string {
  if (/^src\/(index|plugin|driver)\.ts$/.test(path)) return "doors";
  const [top = "", second = ""] = path.split("/");
  if (top === "src") return second.replace(/\.tsx?$/, "");
  if (top === "plugins") return `plugins/${second}`;
  if (top === "test") return `test/${second.replace(/(\.test)?\.ts$/, "")}`;
  return top;
}

/** Returns the reason why a file must not have an import; `undefined` if it may. */
export function wrongImport(
  source: Source,
  { target, specifier, isType }: Pick<Import, "target" | "specifier" | "isType">,
): string | undefined {
  const from = roomOf(source.path);
  if (source.path.startsWith("plugins/")) {
    const isOwn = target !== null && specifier.startsWith(".") && roomOf(target) === from;
    return isOwn || OF_PLUGINS.test(specifier) ? undefined : `${specifier} is not for plugins`;
  }
  if (!source.path.startsWith("src/") || target === null) return undefined;
  if (target.startsWith("plugins/")) {
    return KNOWS_PLUGINS.test(from) ? undefined : `${from} must not know the plugins`;
  }
  if (!target.startsWith("src/")) return `${target} is outside src`;
  const to = roomOf(target);
  if (from === "ui" && to !== "ui" && !isType) return `ui must not bundle ${to}: import types only`;
  return from === to || mayImport(from, to) ? undefined : `${from} must not import ${to}`;
}

function mayImport(from: string, to: string): boolean {
  if (NEVER[from]?.includes(to)) return false;
  return layerOf(from) < layerOf(to) || BESIDE[from]?.includes(to) === true;
}

/** The index of a room's layer. @throws {Error} if no layer names the room. */
function layerOf(room: string): number {
  const index = LAYERS.findIndex((rooms) => rooms.includes(room));
  if (index < 0) throw new Error(`Room ${room} has no layer: add it to LAYERS in tools/gate/rooms.ts`);
  return index;
}
