/** Somebody who may log in. */
export interface Admin {
  /** UUID. */
  readonly id: string;
  readonly username: string;
  /** Empty for local admins. */
  readonly realm: string;
  /** PHC string. */
  readonly passwordHash: string;
  readonly enabled: boolean;
  /** Grows with each password change; tokens of an older generation are void. */
  readonly generation: number;
}

/** The admin behind a request whose token was checked. */
export interface Principal {
  readonly adminId: string;
  readonly username: string;
  readonly realm: string;
}
