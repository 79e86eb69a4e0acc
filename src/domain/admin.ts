import type { ApiKey } from "./api-key.ts";

/** An admin, who may log in. */
export interface Admin {
  /** UUID. */
  readonly id: string;
  readonly username: string;
  /** Empty for local admins. */
  readonly realm: string;
  /** PHC string. */
  readonly passwordHash: string;
  readonly enabled: boolean;
  /** Random. Changes with each password, which revokes the tokens of other generations. */
  readonly generation: number;
}

/** The admin whose token or API key a request carries. */
export interface Principal {
  readonly adminId: string;
  readonly username: string;
  readonly realm: string;
  /** Generation of the admin's password. */
  readonly generation: number;
  /** The API key that a program used. `null` if the admin logged in. */
  readonly apiKey: ApiKey | null;
}
