import { definePlugin } from "sealpost/plugin";
import { createTokenChanges } from "./changes.ts";
import { createSendCode } from "./channels.ts";
import { createCheckCode } from "./check.ts";
import { options, settings } from "./config.ts";
import { createEnroll } from "./enroll.ts";
import { createForeignAddresses } from "./foreign.ts";
import migration from "./migrations/0001_tokens.sql" with { type: "text" };
import oldPins from "./migrations/0002_old_pins.sql" with { type: "text" };
import attempts from "./migrations/0003_attempts.sql" with { type: "text" };
import tokenState from "./migrations/0004_token_state.sql" with { type: "text" };
import ownRoutes from "./migrations/0005_routes.sql" with { type: "text" };
import attemptsByTime from "./migrations/0006_attempts_by_time.sql" with { type: "text" };
import { createChooseOwnPin } from "./own-pin.ts";
import { createOwners, createPins } from "./owners.ts";
import { createTriggerByPin } from "./pin.ts";
import { rightsRoute } from "./rights-route.ts";
import { attempt, challenge, createChallengeStore, createTokenStore, ROUTES, route, token } from "./store.ts";
import { tokenRoutes } from "./token-routes.ts";
import { createTrigger } from "./trigger.ts";
import { validateRoutes } from "./validate-routes.ts";
import { createVerifyEnrollment } from "./verify.ts";

/** Codes as a second factor, by email and, if a plugin provides `sms`, by SMS. */
export const emailToken = definePlugin({
  name: "email-token",
  options,
  settings,
  tables: { token, challenge, attempt, route },
  kept: [ROUTES],
  migrations: [
    { name: "0001_tokens", sql: migration },
    { name: "0002_old_pins", sql: oldPins },
    { name: "0003_attempts", sql: attempts },
    { name: "0004_token_state", sql: tokenState },
    { name: "0005_routes", sql: ownRoutes },
    { name: "0006_attempts_by_time", sql: attemptsByTime },
  ],
  transient: [attempt],
  rights: {
    enrollEMAIL: "Enroll tokens of type email",
    enrollSMS: "Enroll tokens of type sms",
    tokenlist: "List tokens",
    delete: "Delete tokens",
    reset: "Reset the fail counters of tokens",
    setpin: "Change the PINs of users",
    enable: "Enable tokens",
    disable: "Disable tokens",
    assign: "Assign tokens to users",
    unassign: "Take tokens from users",
    revoke: "Disable tokens permanently",
    set: "Change the descriptions of tokens at `POST /token/set`",
    setdescription: "Change the descriptions of tokens",
    triggerchallenge: "Send codes",
  },
  optional: ["directory", "sms"],
  events: ["token_locked"],
  setup(ctx) {
    const directory = ctx.capabilities.find("directory");
    const sms = ctx.capabilities.find("sms");
    const tokens = createTokenStore(ctx.store);
    const changes = createTokenChanges(ctx.store);
    const challenges = createChallengeStore(ctx);
    const owners = createOwners({ ...ctx, directory, tokens });
    const pins = createPins({ ...ctx, changes });
    const chooseOwnPin = createChooseOwnPin({ ...ctx, pins });
    const foreign = createForeignAddresses({ ...ctx, directory });
    const enroll = createEnroll({
      ...ctx,
      directory,
      tokens,
      owners,
      foreign,
      chooseOwnPin,
      sms,
    });
    const sendCode = createSendCode({ ...ctx, sms });
    const trigger = createTrigger({ ...ctx, tokens, challenges, sendCode });
    const triggerByPin = createTriggerByPin({ ...ctx, owners, pins, trigger });
    const checkCode = createCheckCode(ctx);
    const verifyEnrollment = createVerifyEnrollment({
      tokens,
      checkCode: createCheckCode(ctx, "enrollment"),
    });
    return {
      routes: [
        rightsRoute({ ...ctx, sms }),
        ...tokenRoutes({
          ...ctx,
          tokens,
          changes,
          owners,
          enroll,
          foreign,
          chooseOwnPin,
          trigger,
          verifyEnrollment,
          pins,
        }),
        ...validateRoutes({ ...ctx, owners, trigger, triggerByPin, checkCode }),
      ],
      servers: tokens.servers,
      gateways: tokens.gateways,
      prune: async () => void (await ctx.store.commit([challenges.prune(ctx.time.now())])),
    };
  },
});
