import { Command, Option } from "commander";
import * as v from "valibot";
import { OAUTH_FLOWS } from "../domain/oauth.ts";
import { SealpostError } from "../errors.ts";
import { identifierText } from "../http/smtpserver-schema.ts";
import { cliCommand } from "../runtime/platform.ts";
import { noticeEntries } from "../wire/envelope.ts";
import type { Api } from "./api.ts";
import type { Output } from "./output.ts";
import { openPrompt, type Prompt } from "./prompt.ts";
import { runOnApi } from "./run.ts";
import { type DefinitionOptions, DefinitionQuestions, type SecretSource } from "./server-questions.ts";
import { runTest } from "./server-test.ts";
import { readFirstLine } from "./stdin.ts";

interface AddOptions extends DefinitionOptions {
  readonly secretStdin?: boolean;
  readonly test?: boolean;
}

/** `server add`: asks for a definition and saves it. */
export function addCommand(): Command {
  return new Command("add")
    .description("Add a definition; asks on a terminal for what no option has")
    .argument("[identifier]", "name of the definition")
    .option("--provider <id>", "preset of GET /provider/")
    .option("--region <region>", "region of the provider")
    .option("--server <server>", "host, host:port, smtp://host[:port] or smtps://host[:port]")
    .addOption(
      new Option("--starttls <yes|no>", "STARTTLS, if the server is not smtps://").choices(["yes", "no"]),
    )
    .option("--username <name>", "user of the login; empty for no login")
    .addOption(new Option("--auth <kind>", "how to log in").choices(["password", "oauth2"]))
    .addOption(new Option("--flow <flow>", "how to get an access token").choices(OAUTH_FLOWS))
    .option("--tenant <tenant>", "tenant of Microsoft 365")
    .option("--token-url <url>", "URL of the token endpoint")
    .option("--client-id <id>", "client ID of the app")
    .option("--scope <scopes>", "scopes, separated by blanks; empty for those of the provider")
    .option("--service-account <path>", "JSON key file of a Google service account")
    .option("--sender <address>", "default From address")
    .option("--description <text>", "free text")
    .option("--secret-stdin", "read the password, API key or client secret from standard input")
    .option("--test", "log in to the server afterwards, and send nothing")
    .option("--no-test", "do not")
    .action(async (given: string | undefined, options: AddOptions, command: Command) => {
      const answers = await readAnswers(given, options);
      await runOnApi(command, (api) => save(api, answers));
    });
}

/** The test follows once the definition is saved, and its failure keeps it. */
async function save(api: Api, { identifier, parameters, wantsTest }: Answers): Promise<Output> {
  const { detail, raw } = await api.call({
    method: "POST",
    path: ["smtpserver", identifier],
    headers: { "if-none-match": "*" },
    body: parameters,
    value: v.boolean(),
    detail: v.optional(v.object(noticeEntries), {}),
  });
  const { warnings = [], notices = [] } = detail;
  const isSignedOut = notices.map(({ parameter }) => parameter === "oauth_refresh_token");
  const saved = {
    json: raw.value,
    lines: [`${identifier} is saved`],
    warnings: warnings.filter((_, index) => !isSignedOut[index]),
  };
  if (isSignedOut.includes(true))
    return { ...saved, lines: [...saved.lines, `Sign in next: ${cliCommand()} server login ${identifier}`] };
  if (!wantsTest) return saved;
  const test = await runTest(api, identifier, { until: parameters.username === "" ? "connect" : "auth" });
  return {
    ...test,
    lines: [...saved.lines, ...test.lines],
    warnings: [...saved.warnings, ...(test.warnings ?? [])],
  };
}

type Answers = Awaited<ReturnType<typeof readAnswers>>;

async function readAnswers(given: string | undefined, options: AddOptions) {
  using prompt = options.secretStdin ? null : openPrompt();
  const questions = new DefinitionQuestions(options, prompt, secretSource(prompt, options));
  const identifier = await questions.identifier(given, checkIdentifier);
  const parameters = await questions.parameters();
  const wantsTest = parameters.oauth_flow !== "refresh_token" && (await isTestWanted(prompt, options));
  return { identifier, parameters, wantsTest };
}

function checkIdentifier(entry: string): string | null {
  const result = v.safeParse(identifierText, entry);
  return result.success ? null : `E${result.issues[0].message.slice(1)}.`;
}

/** A secret is never an argument, which other users of the machine can see. */
function secretSource(prompt: Prompt | null, { secretStdin }: AddOptions): SecretSource {
  return {
    async read(question, { isOptional = false } = {}) {
      if (prompt !== null) return prompt.askSecret(question);
      if (!secretStdin && isOptional) return "";
      if (!secretStdin) throw new SealpostError("missing_parameter", "Missing option: --secret-stdin");
      return readFirstLine();
    },
  };
}

async function isTestWanted(prompt: Prompt | null, { test }: AddOptions): Promise<boolean> {
  if (test !== undefined || prompt === null) return test ?? false;
  const entry = await prompt.ask("Log in to the server now, without sending anything (yes, no)", {
    fallback: "yes",
    check: (given) => (/^(y(es)?|no?)$/i.test(given) ? null : "Expected yes or no."),
  });
  return /^y/i.test(entry);
}
