import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianObstacle, unpackPackages } from "./debian.ts";
import { peerFolder, withUsers } from "./peer.ts";

export const dovecotObstacle = debianObstacle;

/** Dovecot's authentication, which other servers use by its socket. */
export interface DovecotAuth extends AsyncDisposable {
  readonly socket: string;
  log(): string;
}

const START_MS = 30_000;
const POLL_MS = 20;

/**
 * Starts Dovecot with authentication only, by XOAUTH2 and OAUTHBEARER. It asks the token server about each access token
 * (RFC 7662).
 */
export async function startDovecot(introspectionUrl: string): Promise<DovecotAuth> {
  const root = unpackPackages("dovecot", ["dovecot-core"]);
  const folder = peerFolder();
  const at = (name: string): string => join(folder.path, name);
  mkdirSync(at("run"));
  writeFileSync(at("oauth2.conf"), oauth2Conf(introspectionUrl));
  writeFileSync(at("dovecot.conf"), dovecotConf(folder.path, root));
  const libraries = ["", "/modules", "/modules/old-stats"].map((name) => `${root}/usr/lib/dovecot${name}`);
  const mounts = [
    // Its processes start with an environment of their own, so the libraries are found by the cache.
    `ldconfig -C ${at("ld.so.cache")} ${libraries.join(" ")}`,
    `mount --bind ${at("ld.so.cache")} /etc/ld.so.cache`,
  ];
  // Dovecot would start doveconf itself, but in /usr/bin.
  const config = `-c ${at("dovecot.conf")}`;
  const doveconf = `${root}/usr/bin/doveconf -f service=master ${config} -m master -e`;
  const program = `${doveconf} ${root}/usr/sbin/dovecot -F ${config}`;
  const command = withUsers(folder.path, ["dovecot", "dovenull"], mounts, program);
  const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "pipe"] });
  const log = () => (existsSync(at("log")) ? readFileSync(at("log"), "utf8") : "");
  const socket = at("run/postfix-auth");
  const endMs = performance.now() + START_MS;
  while (!existsSync(socket)) {
    if (child.exitCode !== null || performance.now() > endMs) {
      throw new Error(`Dovecot did not start: ${await child.stderr.text()} ${log()}`);
    }
    await Bun.sleep(POLL_MS);
  }
  return {
    socket,
    log,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
      folder[Symbol.dispose]();
    },
  };
}

function dovecotConf(folder: string, root: string): string {
  return `base_dir = ${folder}/run
libexec_dir = ${root}/usr/lib/dovecot
state_dir = ${folder}/run
log_path = ${folder}/log
protocols =
ssl = no
auth_mechanisms = xoauth2 oauthbearer
auth_debug = yes
# Empty: every character.
auth_username_chars =
auth_failure_delay = 0
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${folder}/oauth2.conf
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
# No penalty, which would delay each login after a rejected one.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener postfix-auth {
    mode = 0666
  }
}
`;
}

function oauth2Conf(introspectionUrl: string): string {
  return `introspection_url = ${introspectionUrl}
introspection_mode = post
force_introspection = yes
active_attribute = active
active_value = true
username_attribute = email
`;
}
