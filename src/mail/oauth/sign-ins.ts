import type { WriteStatement } from "../../contracts/database.ts";
import { createSignInRepository } from "../../storage/oauth-sign-ins.ts";
import { CLIENT_PAIR } from "./client-pair.ts";
import { type CompleteSignIn, type CompleteSignInDeps, createCompleteSignIn } from "./complete-sign-in.ts";
import { createStartDeviceSignIn, type StartDeviceSignIn } from "./device-sign-in.ts";
import { createStartSignIn, type StartSignIn } from "./start-sign-in.ts";

/** Sign-ins for definitions that log in with a refresh token. */
export interface SignIns {
  /** Starts a sign-in in a browser. */
  readonly start: StartSignIn;
  /** Completes it when the browser comes back. */
  readonly complete: CompleteSignIn;
  /** Starts a sign-in on another device. */
  readonly startOnDevice: StartDeviceSignIn;
  /** Deletes the sign-ins that have expired. */
  prune(now: Date): WriteStatement;
}

type SignInsDeps = Omit<CompleteSignInDeps, "signInRows" | keyof typeof CLIENT_PAIR>;

/** Creates the sign-ins, without I/O. */
export function createSignIns(deps: SignInsDeps): SignIns {
  const signInRows = createSignInRepository(deps.database);
  const all = { ...deps, signInRows, ...CLIENT_PAIR };
  return {
    start: createStartSignIn(all),
    complete: createCompleteSignIn(all),
    startOnDevice: createStartDeviceSignIn(all),
    prune: signInRows.prune,
  };
}
