import { resolveRefs } from "../http/fixtures/resolve-refs.ts";

/** A JSON Schema as the document has them, with its references resolved. */
export interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
}

type Place = "path" | "query" | "header" | "body";

/** A parameter, wherever it is sent. */
export interface Parameter {
  readonly name: string;
  readonly in: Place;
  readonly isRequired: boolean;
  readonly schema: Schema;
}

export interface Operation {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly isOpen: boolean;
  /** By status, then by media type. */
  readonly responses: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
}

type Content = Readonly<Record<string, { readonly schema: Schema }>>;
interface PlainOperation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: Place;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
  readonly security?: readonly object[];
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, PlainOperation>>>>;
}

/** @returns every operation of an OpenAPI document. */
export function operationsOf(text: string): Operation[] {
  const document = JSON.parse(text);
  const { paths } = resolveRefs(document, document) as Document;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      operationId: operation.operationId,
      method: method.toUpperCase(),
      path,
      parameters: parametersOf(operation),
      isOpen: operation.security?.length === 0,
      responses: Object.fromEntries(
        Object.entries(operation.responses).map(([status, { content = {} }]) => [status, schemasOf(content)]),
      ),
    })),
  );
}

function parametersOf({ parameters = [], requestBody }: PlainOperation): Parameter[] {
  const { properties = {}, required = [] } = requestBody?.content["application/json"]?.schema ?? {};
  return [
    ...parameters.map(({ required: isRequired = false, name, in: place, schema }) => ({
      ...{ name, in: place, isRequired, schema },
    })),
    ...Object.entries(properties).map(([name, schema]) => ({
      ...{ name, in: "body" as const, isRequired: required.includes(name), schema },
    })),
  ];
}

const schemasOf = (content: Content) =>
  Object.fromEntries(Object.entries(content).map(([type, { schema }]) => [type, schema]));
