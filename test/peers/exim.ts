import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { debianObstacle, libraryPath, unpackPackages } from "./debian.ts";
import {
  DOMAIN,
  freePort,
  type Peer,
  type PeerOptions,
  peerFolder,
  startPeer,
  UNKNOWN,
  USER,
  withUsers,
} from "./peer.ts";

const OWNER = "Debian-exim";

export const eximObstacle = debianObstacle;

/** Starts Exim 4 with everything of its own in a folder; it delivers to one mailbox, with the sender in front. */
export async function startExim({ tls }: PeerOptions): Promise<Peer> {
  const root = unpackPackages("exim", ["exim4-daemon-light", "libidn12"]);
  const folder = peerFolder();
  const port = await freePort();
  const at = (name: string): string => join(folder.path, name);
  for (const name of ["spool", "log", "box"]) mkdirSync(at(name));
  writeFileSync(at("tls.pem"), tls.cert);
  writeFileSync(at("tls.key"), tls.key);
  writeFileSync(at("exim.conf"), configOf(folder.path, root, port));
  const command = withUsers(
    folder.path,
    [OWNER],
    [
      // It starts itself again for each delivery, with an environment of its own, so libraries are found by the cache.
      `ldconfig -C ${at("ld.so.cache")} ${libraryPath(root)}`,
      `mount --bind ${at("ld.so.cache")} /etc/ld.so.cache`,
      `chown -R ${OWNER}:${OWNER} ${at("spool")} ${at("log")} ${at("box")} ${at("tls.key")}`,
    ],
    `${root}/usr/sbin/exim4 -bdf -C ${at("exim.conf")}`,
  );
  return startPeer({
    command,
    port,
    folder,
    files: [at("log/mainlog"), at("log/paniclog"), at("log/rejectlog"), at("box/mbox")],
  });
}

function configOf(folder: string, root: string, port: number): string {
  return `exim_path = ${root}/usr/sbin/exim4
primary_hostname = mx.test
spool_directory = ${folder}/spool
log_file_path = ${folder}/log/%slog
pid_file_path = ${folder}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
tls_advertise_hosts = *
tls_certificate = ${folder}/tls.pem
tls_privatekey = ${folder}/tls.key
acl_smtp_rcpt = check_rcpt
keep_environment =
rfc1413_hosts =
host_lookup =

begin acl
check_rcpt:
  deny local_parts = ${UNKNOWN}
    message = No such user here
  accept domains = ${DOMAIN}
  accept authenticated = *
  deny message = relay not permitted

begin routers
local:
  driver = accept
  domains = ${DOMAIN}
  transport = mailbox

begin transports
mailbox:
  driver = appendfile
  file = ${folder}/box/mbox
  user = ${OWNER}
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{$auth2}{${USER.username}}}{eq{$auth3}{${USER.password}}}}}
  server_set_id = $auth2
  server_advertise_condition = \${if def:tls_in_cipher}
`;
}
