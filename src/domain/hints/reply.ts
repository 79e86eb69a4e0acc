/** Hints for replies that only some servers and providers send. */
export const REPLY_HINTS = {
  send_as:
    "The account may not send as this sender. Set sender to the address of the account, or allow the account to send as this address.",
  this_host:
    "The server does not accept mail from this machine's IP address. Send through your provider's relay, or ask the server's operator to allow the address.",
  ehlo_name:
    "The server rejected the EHLO name of Sealpost. Set SEALPOST_EHLO_NAME to a host name that resolves to this machine.",
  daily_limit:
    "The account has reached its sending limit. Wait until the provider resets the limit, or ask the provider to raise it.",
  account_suspended:
    "The provider does not let this account send at the moment. Ask the provider for the reason.",
  mechanism_unverifiable:
    "The server cannot verify this kind of login. Set auth_mechanism to plain or login.",
  login_service_down:
    "The server could not verify the login. Ask its operator whether the authentication service is running, or set auth_mechanism to plain.",
  greylisting: "The server delays mail from unknown senders (greylisting). Try again in a few minutes.",
  connection_limit: "The server limits the number of connections. Set max_connections to a lower value.",
  google_app_password:
    "Google does not accept the account password for SMTP. Create an app password and set it as password.",
  google_browser:
    "Google requires a login with a web browser first. Log in there, or create an app password and set it as password.",
  google_login:
    "Google rejected the username or password. Set username to the full address and password to an app password.",
  recipient_busy: "The recipient is receiving too much mail at the moment. Try again later.",
  google_relay:
    "The relay accepts neither this login nor this IP address. Allow one of them in the SMTP relay service of the Admin console, and set SEALPOST_EHLO_NAME to a name of your domain.",
  app_password:
    "{provider} rejected the username or password. Set username to the full address and password to an app password.",
  microsoft_basic_off:
    "The provider does not accept passwords for this mailbox (basic authentication is off). Ask the mailbox's administrator to allow them, or use OAuth.",
  microsoft_policies:
    "The organization's conditional access rejects this login. Ask its administrator, or use OAuth.",
  microsoft_smtp_auth_off:
    "SMTP AUTH is disabled for this mailbox or organization. Ask its administrator to enable it.",
  microsoft_no_auth:
    "The server does not offer this kind of login. Leave username empty if the server requires no login.",
  microsoft_connections:
    "The provider limits the connections of one mailbox. Set max_connections to 3 or less.",
  microsoft_spam_block:
    "The provider has blocked this account for sending spam. Ask the account's administrator to unblock it.",
  microsoft_internal_recipient:
    "The recipient accepts mail only from its own organization. Ask the recipient's administrator to allow this sender.",
  microsoft_login:
    "Microsoft 365 rejected the login. Check that SMTP AUTH is on for the mailbox and, for OAuth, that Exchange knows the application by the object ID of its enterprise application and lets it use the mailbox.",
  microsoft_hve_external:
    "High Volume Email delivers only inside the organization. Send to external recipients through another definition.",
  ses_unverified_smtp:
    "Amazon SES has not verified an address of this message in this region. Verify the sender in SES and, in the sandbox, the recipient as well.",
  ses_paused_smtp: "Amazon SES has paused sending for this account. See the SES console for the reason.",
  ses_rate:
    "The account sends faster than Amazon SES allows. Set mails_per_minute to a lower value, or raise the rate in SES.",
  sendgrid_credits:
    "The SendGrid account has no credits left. Wait until SendGrid renews them, or change the plan.",
  sender_unverified_provider:
    "The provider has not verified this sender. Verify it with the provider, or set sender to a verified address.",
  brevo_ip:
    "The provider does not accept logins from this machine's IP address. Add the address to the provider's authorized IPs.",
  brevo_inactive:
    "The provider has not activated SMTP for this account. Ask the provider's support to activate it.",
  mailgun_login:
    "Mailgun rejected the username or password. Use SMTP credentials of the sending domain, and smtp.eu.mailgun.org as server if the domain is in the EU.",
  postmark_inactive:
    "The provider has deactivated this recipient after a bounce or complaint. Reactivate it with the provider.",
  ses_login:
    "Amazon SES rejected the login. SMTP credentials belong to one region and differ from access keys: create them for the region of server.",
  sendgrid_login:
    "SendGrid rejected the login. Set username to apikey and password to an API key that may send mail.",
  postmark_login:
    "Postmark rejected the login. Set username and password to the same server API token, or use an SMTP token.",
  brevo_login:
    "Brevo rejected the login. Set username to the SMTP login and password to an SMTP key, which is not an API key.",
  resend_login: "Resend rejected the login. Set username to resend and password to an API key.",
  cloudflare_login:
    "Cloudflare rejected the login. Set username to api_token and password to an API token with the permission Email Sending: Edit.",
};
