import type { Context } from "hono";
import type { GenericSchema, InferOutput } from "valibot";
import type { Env } from "./env.ts";

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];

/** Schemas of the parameters of a route, by where a client sends them. A body may be JSON or a form. */
export interface ParameterSchemas {
  /** An object schema of the variable parts of the path. */
  readonly path?: GenericSchema;
  /** An object schema. A `GET` request may send these parameters in a body as well. */
  readonly query?: GenericSchema;
  /** An object schema, or a record if the names are not known beforehand. */
  readonly body?: GenericSchema;
}

/** The checked parameters of a request. */
export type Parameters<S extends ParameterSchemas = ParameterSchemas> = {
  readonly [Source in keyof S]: S[Source] extends GenericSchema ? InferOutput<S[Source]> : unknown;
};

/** A right that depends on the parameters. Only an admin with one of `among` has them validated. */
export interface ChosenRight<S extends ParameterSchemas = ParameterSchemas> {
  /** Returns one of `among`. */
  of(parameters: Parameters<S>): string;
  readonly among: readonly string[];
}

/** The callers of a route: admins with a right, any admin, or anyone. */
export type Access<S extends ParameterSchemas = ParameterSchemas> =
  | {
      readonly right: string | ChosenRight<S>;
      readonly open?: never;
      /** Whether the handler starts with a read. That read also proves the right, which then needs no read of its own. */
      readonly isProvedByRead?: boolean;
    }
  | { readonly open: true; readonly right?: never; readonly isProvedByRead?: never }
  | {
      /** Any admin who is logged in, with whatever rights. */
      readonly anyAdmin: true;
      readonly right?: never;
      readonly open?: never;
      readonly isProvedByRead?: never;
    };

/** A group of operations in the OpenAPI document. */
export interface Tag {
  readonly name: string;
  readonly description: string;
}

/** The HTTP statuses of error responses that the OpenAPI document describes. */
export type ErrorStatus = 400 | 401 | 403 | 404 | 409 | 412 | 413 | 415 | 429 | 503;

/** Describes a route in the OpenAPI document. Everything is optional. */
export interface RouteDescription {
  /** An imperative of at most six words. Default: method and path. */
  readonly summary?: string;
  readonly description?: string;
  /** Default: the summary in camel case without its articles, or the name of the event if there is no summary. */
  readonly operationId?: string;
  /** `tagged` sets it for a list of routes. */
  readonly tag?: Tag;
  /** Schema of `detail`. */
  readonly detail?: GenericSchema;
  /** Statuses of error responses beyond those that follow from the right and the parameters. */
  readonly errors?: readonly ErrorStatus[];
  /** Request headers that the route reads, with a description of each. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Largest body, in bytes. Default: 256 KiB. */
  readonly maxBodyBytes?: number;
  /** Media type of a response without an envelope, such as a page. */
  readonly media?: string;
  /** A body that works, and the value of the response to it. */
  readonly example?: { readonly body?: object; readonly value?: unknown };
}

/** One route, built by `route`: everything that Sealpost derives from its declaration. */
export interface Route {
  readonly declaration: RouteDescription & {
    readonly method: Method;
    readonly path: string;
    readonly right?: string | ChosenRight;
    readonly open?: true;
    readonly anyAdmin?: true;
    readonly isProvedByRead?: boolean;
    readonly parameters?: ParameterSchemas;
    readonly response?: GenericSchema;
    readonly isQuiet?: boolean;
    readonly isHidden?: boolean;
    readonly sharesPath?: boolean;
    checkNames?(names: readonly string[]): void;
  };
  handler(c: Context<Env>, parameters: Parameters): unknown;
}
