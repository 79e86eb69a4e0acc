import type { Context } from "hono";
import { type Env, missingParameter } from "sealpost/plugin";
import { assertRoom, conflict, userUnknown } from "./enroll.ts";
import { commitWithPin, findNamed, notFound, setTarget, type TokensDeps, untilCommitted } from "./manage.ts";
import { auditedFields } from "./own-pin.ts";
import type { AssignParams, NamedParams } from "./schema.ts";

/**
 * Changes the state or the owner of tokens. The same commit voids the open codes of the tokens that change. Each returns
 * the number of tokens that changed, of one token or of all tokens of a user.
 * @throws an error of `findNamed`.
 */
interface TokenStates {
  /** A revoked token stays as it is. */
  enable(c: Context<Env>, named: NamedParams): Promise<number>;
  disable(c: Context<Env>, named: NamedParams): Promise<number>;
  /** Disables tokens permanently. */
  revoke(c: Context<Env>, named: NamedParams): Promise<number>;
  /** The PIN stays with the user. */
  unassign(c: Context<Env>, named: NamedParams): Promise<number>;
  /** Gives a token to a user. Returns `true`. @throws {SealpostError} also `conflict`, or an error of `ChooseOwnPin`. */
  assign(c: Context<Env>, params: AssignParams): Promise<true>;
}

export function createTokenStates(deps: TokensDeps): TokenStates {
  const { store, audit, tokens, changes, owners, foreign, chooseOwnPin } = deps;

  /** Creates a change of the named tokens. */
  const changeBy =
    (change: (serials: readonly string[]) => ReturnType<typeof changes.revoke>, fields: string) =>
    async (c: Context<Env>, named: NamedParams): Promise<number> => {
      const serials = (await findNamed(deps, c, named)).map(({ serial }) => serial);
      const row = audit.row(c, { success: true, identifier: serials.join(","), fields }, "ifChanged");
      const [changed] = await store.commit([change(serials), row, changes.voidCodes(serials)]);
      return changed.rowsAffected;
    };

  return {
    enable: changeBy((serials) => changes.setActive(serials, true), "active"),
    disable: changeBy((serials) => changes.setActive(serials, false), "active"),
    revoke: changeBy(changes.revoke, "active,revoked"),
    unassign: changeBy(changes.unassign, "user,realm,pin"),

    async assign(c, { serial, user, realm, pin }) {
      for (const [name, value] of Object.entries({ serial, user }))
        if (value === "") throw missingParameter(name);
      c.set("auditTarget", { identifier: serial, recipient: "" });
      return untilCommitted(async () => {
        const token = await tokens.find(serial);
        if (!token) throw notFound();
        setTarget(c, token);
        const found = await owners.search({ user, realm, serial: "" });
        const { owner } = found;
        if (owner === null) throw userUnknown();
        if (token.userId !== "" && token.userId !== owner.id) throw conflict("The token has another owner");
        assertRoom(found.rows.filter((row) => row.serial !== serial));
        await foreign.assertAllowed(c, { token, owner });
        const own = await chooseOwnPin(c, pin, found);
        const notice = await foreign.noticeOf(c, { token, owner });
        const isCommitted = await commitWithPin(deps, own, notice, [
          changes.assign(serial, owner, own.pinHash || token.pinHash),
          changes.requireChange(),
          audit.row(c, { success: true, identifier: serial, fields: auditedFields(own, "user", "realm") }),
          changes.voidCodes([serial]),
        ]);
        return isCommitted || null;
      });
    },
  };
}
