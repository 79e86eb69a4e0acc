import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { debianObstacle, run, unpackPackages } from "../debian.ts";
import { obstacleOf } from "../smime/programs.ts";

/** Where a client finds the server, and how it logs in. */
export interface Place {
  readonly url: string;
  /** Empty. For files of the client. */
  readonly folder: string;
  readonly admin: { readonly username: string; readonly password: string };
  readonly realm: string;
}

/** A client by other authors that asks for a password and a code. */
export interface ClientProgram {
  readonly name: string;
  /** Why it cannot run here. `null` if it can. */
  obstacle(): string | null;
  /** The command of a driver that reads and writes lines (see its head). */
  command(place: Place): readonly string[];
  readonly env?: () => Readonly<Record<string, string>>;
  /** Whether it logs in as an admin, to trigger codes and to list tokens. */
  readonly hasServiceAccount: boolean;
}

const HERE = import.meta.dir;
const CACHE = join(tmpdir(), "sealpost-peers");
const PERL_MODULES = (
  "libwww-perl libhttp-message-perl libhttp-date-perl libhttp-negotiate-perl libnet-http-perl liburi-perl " +
  "libencode-locale-perl liblwp-mediatypes-perl libio-html-perl libtimedate-perl libclone-perl libtry-tiny-perl " +
  "libconfig-inifiles-perl libdata-dump-perl libjson-perl liburi-encode-perl libmodule-build-perl " +
  "libhtml-parser-perl libhtml-tagset-perl libhttp-cookies-perl libfile-listing-perl libregexp-ipv6-perl"
).split(" ");
const PYTHON_MODULES = ["requests", "click", "six", "cryptography", "cffi", "qrcode", "passlib"];

/** The file or class path that a variable names. The plugin and module are in no registry, and the Java client neither. */
const given = (variable: string): string => process.env[variable] ?? "";
function missing(variable: string, isThere: (value: string) => boolean): string | null {
  if (given(variable) === "") return `${variable} does not say where it is`;
  return isThere(given(variable)) ? null : `${variable} names nothing`;
}

export const CLIENTS: readonly ClientProgram[] = [
  {
    name: "java-client",
    obstacle: () =>
      missing("PRIVACYIDEA_JAVA", (path) =>
        path.split(":").every((one) => existsSync(one.replace(/\/\*$/, ""))),
      ) ?? obstacleOf(["java", "javac"]),
    command({ url, folder, admin, realm }) {
      const path = given("PRIVACYIDEA_JAVA");
      run(["javac", "-d", folder, "-cp", path, join(HERE, "JavaClient.java")]);
      const agent = "privacyIDEA-Keycloak/1.8.0 Keycloak/26.5.6";
      const login = [admin.username, admin.password, realm];
      return [
        "java",
        "-Dfile.encoding=UTF-8",
        "-cp",
        `${folder}:${path}`,
        "JavaClient",
        url,
        agent,
        ...login,
      ];
    },
    hasServiceAccount: true,
  },
  {
    name: "the FreeRADIUS plugin",
    obstacle: () => missing("PRIVACYIDEA_RADIUS", existsSync) ?? obstacleOf(["perl"]) ?? debianObstacle(),
    command({ url, folder }) {
      const config = join(folder, "rlm_perl.ini");
      writeFileSync(config, `[Default]\nURL = ${url}/validate/check\nADD_EMPTY_PASS = TRUE\n`);
      return ["perl", join(HERE, "radius.pl"), given("PRIVACYIDEA_RADIUS"), config];
    },
    env: () => {
      const root = unpackPackages("perl-clients", PERL_MODULES);
      return { PERL5LIB: `${root}/usr/share/perl5:${root}/usr/lib/x86_64-linux-gnu/perl5/5.36` };
    },
    hasServiceAccount: false,
  },
  {
    name: "the PAM module",
    obstacle: () => missing("PRIVACYIDEA_PAM", existsSync) ?? obstacleOf(["python3", "pip3"]),
    command: ({ url, folder }) => {
      const python = ["python3", join(HERE, "pam.py")];
      return [...python, dirname(given("PRIVACYIDEA_PAM")), url, join(folder, "pam.sqlite")];
    },
    env: () => ({ PYTHONPATH: pythonModules() }),
    hasServiceAccount: false,
  },
];

/** Fetches Python modules once. @returns their folder. */
function pythonModules(): string {
  const folder = join(CACHE, "python-clients");
  if (!existsSync(folder)) run(["pip3", "install", "--quiet", "--target", folder, ...PYTHON_MODULES]);
  return folder;
}

/** Fetches `privacyideaadm`, whose own installer no longer works. @returns its command and environment. */
export function adminTool(): { readonly command: readonly string[]; readonly env: Record<string, string> } {
  const folder = join(CACHE, "privacyideaadm");
  if (!existsSync(folder)) {
    const fetched = `${folder}.fetched`;
    run(["pip3", "download", "--quiet", "--no-deps", "--dest", fetched, "privacyideaadm==3.0"]);
    const [archive = ""] = readdirSync(fetched);
    run(["mkdir", folder]);
    run(["tar", "xzf", join(fetched, archive), "--strip-components=1", "-C", folder]);
    run(["pip3", "install", "--quiet", "--no-deps", "--target", folder, "python-yubico"]);
  }
  const PYTHONPATH = `${folder}:${pythonModules()}`;
  return { command: ["python3", join(folder, "scripts/privacyidea")], env: { PYTHONPATH } };
}
