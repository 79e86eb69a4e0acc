import { Command } from "commander";
import * as v from "valibot";
import { finding } from "../http/system.ts";
import { table } from "./output.ts";
import { runOnApi } from "./run.ts";

const HEADS = ["CHECK", "RESULT", "WHAT TO DO"];

/** `doctor`: the checks of `GET /system/doctor`. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check settings, keys, database, clock, queue, mail servers and certificates")
    .action(async (_, command: Command) => {
      await runOnApi(command, async (api) => {
        const request = { method: "GET", path: ["system", "doctor"], value: v.array(finding) } as const;
        const { value, raw } = await api.call(request);
        const rows = value.map(({ name, ok, message }) => [name, ok ? "ok" : "to do", message]);
        const isFailure = value.some(({ ok }) => !ok);
        return { json: raw.value, lines: table(HEADS, rows), isFailure };
      });
    });
}
