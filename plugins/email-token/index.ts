import { definePlugin } from "sealpost/plugin";
import { createSendCode } from "./channels.ts";
import { createAttemptRepository, createCheckCode } from "./check.ts";
import { options, tokenSettings } from "./config.ts";
import { createEnrol } from "./enroll.ts";
import migration from "./migrations/0001_tokens.sql" with { type: "text" };
import oldPins from "./migrations/0002_old_pins.sql" with { type: "text" };
import attempts from "./migrations/0003_attempts.sql" with { type: "text" };
import { createOwners, createPins } from "./owners.ts";
import { attempt, challenge, createChallengeRepository, createTokenRepository, token } from "./store.ts";
import { tokenRoutes } from "./token-routes.ts";
import { createTrigger } from "./trigger.ts";
import { validateRoutes } from "./validate-routes.ts";

/** Codes as a second factor, by mail and, where somebody provides `sms`, by SMS. */
export const emailToken = definePlugin({
  name: "email-token",
  options,
  settings: tokenSettings,
  tables: { token, challenge, attempt },
  migrations: [
    { name: "0001_tokens", sql: migration },
    { name: "0002_old_pins", sql: oldPins },
    { name: "0003_attempts", sql: attempts },
  ],
  rights: {
    enrollEMAIL: "Enrol tokens of type email",
    enrollSMS: "Enrol tokens of type sms",
    tokenlist: "List tokens",
    delete: "Delete tokens",
    reset: "Clear fail counters of tokens",
    triggerchallenge: "Have codes sent",
  },
  optional: ["directory", "sms"],
  events: ["token_locked"],
  setup(ctx) {
    const [directory, sms] = [ctx.capabilities.find("directory"), ctx.capabilities.find("sms")];
    const tokens = createTokenRepository(ctx.store);
    const challenges = createChallengeRepository(ctx.store);
    const owners = createOwners({ ctx, directory, tokens });
    const pins = createPins({ ctx, tokens });
    const enrol = createEnrol({ ctx, directory, owners, pins, hasSms: sms !== null });
    const trigger = createTrigger({ ctx, tokens, challenges, sendCode: createSendCode(ctx, sms) });
    const checkCode = createCheckCode({ ctx, attempts: createAttemptRepository(ctx.store) });

    return {
      routes: [
        ...tokenRoutes({ ctx, tokens, owners, enrol }),
        ...validateRoutes({ ctx, owners, pins, trigger, checkCode }),
      ],
      prune: async () => void (await ctx.store.commit([challenges.prune(ctx.time.now())])),
    };
  },
});
