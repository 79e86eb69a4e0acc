import * as v from "valibot";
import { NOTICE_CODES, type Notice } from "../domain/notices.ts";
import { described } from "./schemas.ts";

/** The entries of `detail` for notices; both are absent if there are none. */
export const noticeEntries = {
  warnings: v.optional(described(v.array(v.string()), "Sentences")),
  notices: v.optional(
    described(
      v.array(v.object({ code: v.picklist(NOTICE_CODES), parameter: v.string() })),
      "The same, sentence by sentence, for programs",
    ),
  ),
};

/** Returns `warnings` and `notices` for `detail`; `undefined` if there are none. */
export function noticeDetail(notices: readonly Notice[]) {
  if (notices.length === 0) return undefined;
  return {
    warnings: notices.map(({ text }) => text),
    notices: notices.map(({ code, parameter }) => ({ code, parameter })),
  };
}
