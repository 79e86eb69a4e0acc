import { expect, test } from "bun:test";
import { reasonOf } from "../../src/wake/redis.ts";

test.each([
  ["of a command", "READONLY You can't write against a read only replica."],
  [
    "of a script",
    "READONLY You can't write against a read only replica. script: 7b91ed9f4cba40689cea7172d1fd3e08b2efd8c9, on @user_script:241.",
  ],
])("the reason for which Redis is read-only is the same in an error %s", (_, message) => {
  expect(reasonOf(new Error(message))).toBe("READONLY You can't write against a read only replica.");
});
