import { setTimeout } from "node:timers/promises";
import { Command } from "commander";
import { SealpostError } from "../errors.ts";
import type { FailedSignIn } from "../mail/oauth/accept-grant.ts";
import { stopSignal } from "../runtime/local/stop-signal.ts";
import { print, printable } from "./output.ts";
import { commandLineActor, withInstance } from "./session.ts";

const SECONDS_PER_MINUTE = 60;

/** `server login`: gets the refresh token of a definition by device code (RFC 8628). */
export function loginCommand(): Command {
  return new Command("login")
    .description("Sign in for a definition with a browser on any device, and store its refresh token")
    .argument("<identifier>")
    .action(async (identifier: string) => {
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

function signInError({ message }: FailedSignIn): SealpostError {
  return new SealpostError("sign_in_failed", printable(message));
}
