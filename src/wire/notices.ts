import * as v from "valibot";
import { NOTICE_CODES, type Notice } from "../domain/notices.ts";
import { described } from "./schemas.ts";

/** The entries of `detail` for notices. Both are absent without notices. */
export const noticeEntries = {
  warnings: v.optional(described(v.array(v.string()), "Sentences")),
  notices: v.optional(
    described(
      v.array(v.object({ code: v.picklist(NOTICE_CODES), parameter: v.string() })),
      "A code for each sentence",
    ),
  ),
};

/** Returns `warnings` and `notices` for `detail`, or `undefined` without notices. */
export function noticeDetail(notices: readonly Notice[]) {
  if (notices.length === 0) return undefined;
  return {
    warnings: notices.map(({ text }) => text),
    notices: notices.map(({ code, parameter }) => ({ code, parameter })),
  };
}
