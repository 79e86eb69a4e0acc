/** Hints for failures at a mail server, and of Sealpost itself. */
export const SERVER_HINTS = {
  expects_implicit_tls: "Port 465 expects TLS from the first byte. Write the server as {url}.",
  invalid_final_reply:
    "The server's reply to the message is not valid, and it may have accepted it. Check its log before you send again.",
  no_final_reply:
    "The server did not reply to the end of the message and may have accepted it. Check its log before you send again.",
  egress:
    "This instance may not send to that address or port. See the settings SEALPOST_EGRESS and SEALPOST_EGRESS_PORTS.",
  name_unknown: "No IP address is known for {host}. Check the spelling of server.",
  not_accepting: "The server was reached, but it does not accept mail at the moment. Try again later.",
  ehlo_rejected:
    "The server was reached, but it rejected EHLO. Set SEALPOST_EHLO_NAME to a host name that resolves to this machine.",
  host_rejected:
    "The server was reached, but it does not accept mail from this machine. Set server to the host for submission, or ask its operator to allow this machine's IP address.",
  port_closed_587: "Nothing is listening on port 587. Try 465 (smtps://) or 25, or check the firewall.",
  port_closed_25:
    "Nothing is listening on port 25. Try 587 (STARTTLS) or 465 (smtps://), or check the firewall.",
  port_closed:
    "Nothing is listening on port {port}. Try 587 (STARTTLS) or 465 (smtps://), or check the firewall.",
  lookup_failed:
    "The IP address of {host} cannot be looked up at the moment. Check the name server that this machine uses.",
  host_unreachable:
    "The host cannot be reached. Check server and port, the network of this machine and the firewall.",
  network_error:
    "The connection failed with an error that has no code of its own. Check the network of this machine and its limits, such as open files.",
  no_free_connection:
    "No connection was free before the time was over. Try again later, or queue the message.",
  port_silent_25: "There is no response on port 25. Many providers block it: try 587.",
  port_silent: "There is no response on port {port}. Check server and port, and the firewall.",
  greeting_missing:
    "The server accepted the connection and sent nothing. Check port, or set timeout to a higher value.",
  server_slow: "The server was too slow. Set timeout to a higher value, or check the load of the server.",
  implicit_tls_rejected:
    "Port {port} does not accept TLS from the first byte. Write the server without smtps:// and set tls to true.",
  handshake_failed:
    "The TLS handshake failed after STARTTLS. The server may support only old versions of TLS.",
  starttls_invalid:
    "The server's reply to STARTTLS is not valid. Something on the way may have changed it: check the network.",
  pipelining_rejected: "The server rejected a command. Set pipelining to off.",
  command_rejected: "The server rejected a command. Its reply has the reason.",
  not_smtp: "The service on port {port} does not follow SMTP. Check server and port.",
  closed_client_certificate:
    "The server closed the connection without a reason. It may not accept tls_certificate: check its log.",
  closed_before_greeting:
    "The server closed the connection before its greeting. It may not accept this machine's IP address.",
  closed_before_reply: "The server closed the connection before it replied. Check its log.",
  starttls_temporary: "The server cannot start TLS at the moment. Try again later.",
  starttls_rejected: "The server rejects STARTTLS. Try smtps:// on 465.",
  starttls_missing_587:
    "The server does not offer STARTTLS on port 587, or something on the way hides it. Try smtps:// on 465.",
  starttls_missing_25: "The server does not offer STARTTLS on port 25. Try 587, or smtps:// on 465.",
  starttls_missing: "The server does not offer STARTTLS on port {port}. Try 587, or smtps:// on 465.",
  tls_temporary: "The server offers TLS but cannot start it at the moment. Try again later.",
  token_needs_tls: "An access token is sent only under TLS: set tls to true.",
  tls_required_first: "The server requires TLS from the first byte. Write the server as {url}.",
  tls_required_encrypted:
    "The server requires TLS although the connection is encrypted. Check its log, or try smtps:// on 465.",
  tls_required: "The server requires TLS: set tls to true.",
  authority_unknown: "The certificate's authority is unknown here. Add its certificate to SEALPOST_TLS_CA.",
  certificate_name: "The certificate is not valid for {host}. Set server to a name that it covers.",
  certificate_dates:
    "The server's certificate has expired or is not valid yet. Ask its operator to renew it, and check the clock of this machine.",
  client_certificate_missing:
    "The server asks for a client certificate, and there is none. Set tls_certificate and tls_private_key to a pair that it accepts.",
  client_certificate_rejected:
    "The server does not accept the client certificate. Check its dates and its issuer, or ask the server's operator to allow tls_certificate.",
  handshake_rejected:
    "The server rejected the TLS handshake. It may support only old versions of TLS, or require a client certificate (tls_certificate).",
  tls_failed_workers:
    "TLS failed, and Workers do not report why. The certificate may be expired, for another name, or from a private authority, which Workers cannot trust.",
  login_temporary: "The server cannot check the login at the moment. Try again later.",
  login_needs_tls:
    "The server accepts no login in clear text: set tls to true, or leave username empty if it needs none.",
  login_mechanism_missing: "The server offers another login. Set auth_mechanism to auto.",
  login_none_accepted:
    "The server rejected every kind of login that it lists (PLAIN, LOGIN, CRAM-MD5). Leave username empty if it needs none, or try port 587.",
  login_none_known:
    "The server offers no login that Sealpost knows (PLAIN, LOGIN, CRAM-MD5). Leave username empty if it needs none, or try port 587.",
  login_busy: "The server cannot check the login at the moment. Wait and try again later.",
  password_empty: "The password is empty. Set username and password, or clear both.",
  login_clear_rejected:
    "The server rejected username and password. If both are right, set tls to true, or auth_mechanism to plain if the server cannot check CRAM-MD5.",
  login_rejected: "The server rejected username and password. Many providers require an app password.",
  relay_certificate:
    "The server does not relay for this client certificate alone. Ask its operator to allow tls_certificate, or set username and password.",
  relay_needs_login: "The server does not relay without authentication. Set username and password.",
  login_required: "The server requires a login. Set username and password.",
  login_incomplete:
    "The server requires a login that it did not get. Check username and password, and whether this account may send.",
  sender_missing: "The message has no sender. Set sender, or set username to an email address.",
  sender_temporary: "The server does not accept this sender at the moment. Try again later.",
  sender_domain:
    "The server rejected the domain of the sender. Set sender to an address whose domain receives mail.",
  sender_unverified:
    "The server could not verify the domain of the sender. Publish the SPF and DKIM records that your provider names, or set sender to an address of another domain.",
  sender_rejected: "The server rejected the sender. Use an address that this account may send from.",
  relay_denied:
    "The server does not relay mail of this account to this recipient. Ask its operator whether the account may send to other domains.",
  mailbox_full_temporary: "The recipient's mailbox is full. Try again later.",
  recipient_temporary: "The server does not accept mail for this recipient at the moment. Try again later.",
  mailbox_full: "The recipient's mailbox is full. Ask the recipient to make room, or use another address.",
  recipient_needs_login:
    "The server rejected this recipient. If it requires a login, set username and password.",
  recipient_rejected: "The server rejected this recipient. Check the address.",
  content_temporary: "The server does not accept this message at the moment. Try again later.",
  content_rejected: "The server rejected the content of the message. Its reply has the reason.",
  no_room: "The server has no room for a message of this size at the moment. Try again later.",
  too_large:
    "The message is larger than the server accepts. Send a smaller one, for example without attachments.",
  sending_limit:
    "The account or the server has reached a sending limit. Wait until it resets, or raise it at the provider.",
  rate_limited:
    "The server does not accept more at the moment. Try again later, or set mails_per_minute to a lower value.",
  key_missing: "Signing needs a key. Set private_key and certificate to PEM text, or set smime to false.",
  passphrase_wrong: "The private key cannot be decrypted. Set private_key_password to its passphrase.",
  certificate_of_other_key:
    "The certificate does not belong to the private key. Set certificate to the one that was issued for this key.",
  signer_dates: "The certificate is outside its dates. Set certificate to a new one for this sender.",
  signer_usage: "The certificate may not sign mail. Set certificate to one with the purpose emailProtection.",
  signer_sender: "The certificate does not name the sender. Set sender to an address that it names.",
  recipient_certificate:
    "A recipient has no certificate to encrypt to. Set certificate of the user, or send recipient_certificate.",
  workers_port_25: "Cloudflare does not let Workers connect to port 25. Use 587, or smtps:// on 465.",
  client_certificate_unsupported:
    "This runtime cannot show the client certificate. Send from Bun, Deno or Node with an RSA or P-256 key, or clear tls_certificate.",
  smtputf8_missing: "The server does not accept addresses outside ASCII (no SMTPUTF8). Use one in ASCII.",
  definition_missing: "No definition has this name. Create it, or use the identifier of another one.",
  shutting_down: "Sealpost was shutting down. Send the message again.",
};
