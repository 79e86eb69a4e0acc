import { text } from "node:stream/consumers";
import { Command, Option } from "commander";
import * as v from "valibot";
import type { Notice } from "../domain/notices.ts";
import { OAUTH_FLOWS } from "../domain/oauth.ts";
import { SealpostError } from "../errors.ts";
import { definitionParams, identifierText, toServerInput } from "../http/smtpserver-schema.ts";
import { toCheckDetail } from "../http/smtpserver-test-schema.ts";
import { cliCommand } from "../runtime/platform.ts";
import type { Services } from "../services.ts";
import { validate } from "../wire/validate.ts";
import { openPrompt, type Prompt } from "./prompt.ts";
import { type DefinitionOptions, DefinitionQuestions, type SecretSource } from "./server-questions.ts";
import { report } from "./server-report.ts";
import { commandLineActor, print, withInstance } from "./session.ts";

interface AddOptions extends DefinitionOptions {
  readonly secretStdin?: boolean;
  readonly test?: boolean;
}

const NEW = { ifMatch: null, createOnly: true } as const;

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
    .action(async (given: string | undefined, options: AddOptions) => {
      const { identifier, parameters, wantsTest } = await readAnswers(given, options);
      await withInstance(async ({ services }) => {
        const actor = commandLineActor("server add");
        const { notices } = await services.saveServer(identifier, toServerInput(parameters), NEW, actor);
        print(`${identifier} is saved`);
        const isSignedOut = ({ parameter }: Notice) => parameter === "oauth_refresh_token";
        for (const { text: sentence } of notices.filter((one) => !isSignedOut(one))) print(sentence);
        if (notices.some(isSignedOut)) print(`Sign in next: ${cliCommand()} server login ${identifier}`);
        else if (wantsTest) await testLogin(services, identifier);
      });
    });
}

async function readAnswers(given: string | undefined, options: AddOptions) {
  using prompt = options.secretStdin ? null : openPrompt();
  const questions = new DefinitionQuestions(options, prompt, secretSource(prompt, options));
  const identifier = await questions.identifier(given, checkIdentifier);
  const parameters = validate(definitionParams, new Map(Object.entries(await questions.parameters())));
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
      const [line = ""] = (await text(process.stdin)).split(/\r?\n/);
      return line;
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

async function testLogin({ servers, testMail }: Services, identifier: string): Promise<void> {
  const server = await servers.get(identifier);
  if (!server) throw new SealpostError("resource_not_found", `There is no definition "${identifier}"`);
  const until = server.username === "" ? "connect" : "auth";
  const check = { until, recipient: null } as const;
  const { result } = await testMail.checkStored(identifier, check, commandLineActor("server test"));
  const verdict = { success: `Reached ${until}`, failure: `Not reached ${until}` };
  report(toCheckDetail(result, server), { ...verdict, remark: "; nothing was sent" });
}
