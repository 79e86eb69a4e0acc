import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianObstacle, unpackPackages } from "./debian.ts";
import { DOMAIN, freePort, type Peer, peerFolder, startPeer, withUsers } from "./peer.ts";

/** Owner of the mailbox. */
const OWNER = "mailbox";
const USERS = ["opensmtpd", "opensmtpq", OWNER];

export const opensmtpdObstacle = debianObstacle;

/**
 * Starts OpenSMTPD, which has no PIPELINING, in clear text: Debian's build cannot sign a handshake with its OpenSSL.
 * It logs senders and recipients, and delivers to one maildir.
 */
export async function startOpenSmtpd(): Promise<Peer> {
  const root = unpackPackages("opensmtpd", ["opensmtpd"]);
  const folder = peerFolder();
  const port = await freePort();
  const at = (name: string): string => join(folder.path, name);
  mkdirSync(at("box"));
  writeFileSync(at("smtpd.conf"), configOf(folder.path, port), { mode: 0o600 });
  const program = `${root}/usr/sbin/smtpd`;
  // Its paths are fixed; what lies there on this machine is hidden from it, and it from the machine.
  const mounts = [
    `mount -t tmpfs peers /usr/libexec && cp -r ${root}/usr/libexec/opensmtpd /usr/libexec/`,
    "mount -t tmpfs peers /var/spool && mkdir -m 711 /var/spool/smtpd",
    "mount -t tmpfs peers /run && mkdir /run/opensmtpd",
    "mount -t tmpfs peers /var/lib && mkdir -p /var/lib/opensmtpd/empty",
    `chown ${OWNER} ${at("box")}`,
  ];
  const command = withUsers(folder.path, USERS, mounts, `${program} -d -f ${at("smtpd.conf")}`);
  return startPeer({ command, port, folder, files: [] });
}

function configOf(folder: string, port: number): string {
  return `table boxes { "you@${DOMAIN}" = "${OWNER}" }
listen on 127.0.0.1 port ${port} hostname mx.test
action "box" maildir "${folder}/box" virtual <boxes>
match from any for domain "${DOMAIN}" action "box"
`;
}
