import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import * as v from "valibot";
import { SealpostError } from "../errors.ts";
import { startedSignInDetail } from "../http/oauth.ts";
import type { FailedSignIn } from "../mail/oauth/accept-grant.ts";
import { stopSignal } from "../runtime/local/stop-signal.ts";
import { type Api, ApiError } from "./api.ts";
import { type Output, print, printable } from "./output.ts";
import { globalOptionsOf, runOnApi, usesApiKey } from "./run.ts";
import { commandLineActor, withInstance } from "./session.ts";

const SECONDS_PER_MINUTE = 60;

/**
 * `server login`: gets the refresh token of a definition by device code (RFC 8628). A server elsewhere starts a sign-in with
 * its own redirect URI instead, because nothing there waits for the code.
 */
export function loginCommand(): Command {
  return new Command("login")
    .description("Sign in for a definition with a browser on any device, and store its refresh token")
    .argument("<identifier>")
    .action(async (identifier: string, _, command: Command) => {
      if (globalOptionsOf(command).url !== undefined) {
        // The server asks again for the rights of the admin when the browser comes back.
        if (!usesApiKey(command)) throw new ApiError("A sign-in at another server needs SEALPOST_API_KEY");
        return await runOnApi(command, startElsewhere(identifier));
      }
      const stopped = new AbortController();
      void stopSignal(process).then(() => stopped.abort());
      await withInstance(async ({ services }) => {
        const server = await services.servers.get(identifier);
        if (!server) throw new SealpostError("resource_not_found", `There is no definition "${identifier}"`);
        const started = await services.signIns.startOnDevice(identifier, commandLineActor("server login"));
        if (!started.successful) throw signInError(started);
        const { verificationUri, userCode, expiresInSeconds, username, notices } = started;
        const minutes = Math.max(1, Math.floor(expiresInSeconds / SECONDS_PER_MINUTE));
        const steps = [
          `Open ${verificationUri} and enter the code ${userCode} within ${minutes} min.`,
          `Sign in as ${username}.`,
        ];
        print(...[...notices.map(({ text }) => text), ...steps].map(printable));
        const wait = (ms: number) => setTimeout(ms, undefined, { signal: stopped.signal });
        const result = await started.finish(wait).catch((error) => {
          if (stopped.signal.aborted) throw new SealpostError("conflict", "Stopped; nothing was stored");
          throw error;
        });
        if (!result.successful) throw signInError(result);
        const unverified = result.notices.filter(({ code }) => code === "mailbox_unverified");
        print(
          `Signed in: the refresh token of ${identifier} is stored`,
          ...unverified.map(({ text }) => text),
        );
      });
    });
}

/** Prints the URL that a browser opens. The server stores the token when the browser comes back to it. */
function startElsewhere(identifier: string) {
  return async (api: Api): Promise<Output> => {
    const { value, detail, raw } = await api.call({
      method: "POST",
      path: ["smtpserver", identifier, "oauth", "start"],
      value: v.string(),
      detail: startedSignInDetail,
    });
    const lines = [
      `Open this URL in a browser before ${detail.expires_at}, and sign in as the mailbox of ${identifier}:`,
      value,
      `The provider has to know the redirect URI ${detail.redirect_uri}.`,
    ];
    return { json: raw, lines, warnings: detail.warnings };
  };
}

function signInError({ message }: FailedSignIn): SealpostError {
  return new SealpostError("sign_in_failed", printable(message));
}
