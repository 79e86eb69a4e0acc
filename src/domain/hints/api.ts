/** Hints for failures at a mail API. */
export const API_HINTS = {
  not_the_api: "The response is not one of the API. Check api_url.",
  graph_no_response:
    "Microsoft Graph did not respond to the message and may have accepted it. Look into Sent Items of the mailbox before you send again.",
  api_no_response:
    "The API did not respond to the message and may have accepted it. Check its log before you send again.",
  api_name_unknown:
    "No IP address is known for the host of the API. Check api_url, and the tenant or region in server.",
  api_lookup_failed:
    "The IP address of the API cannot be looked up at the moment. Check the name server that this machine uses.",
  api_unavailable: "The API is not available at the moment. Try again later.",
  api_port_closed: "Nothing is listening at the address of the API. Check api_url and the firewall.",
  api_unreachable: "The API cannot be reached. Check api_url, the network of this machine and the firewall.",
  api_slow: "The API was too slow. Set timeout to a higher value, or check api_url.",
  not_https: "The service at this address does not follow HTTPS. Check api_url.",
  api_closed: "The API closed the connection before it responded. Try again later.",
  api_certificate_name:
    "The certificate is not valid for the host of the API. Set api_url to a name that it covers.",
  graph_token_rejected:
    "Microsoft Graph rejected the access token. Check oauth_scope, the tenant and the app.",
  api_login_rejected:
    "The API rejected the login. Set username to an access key ID, and password to its secret access key.",
  api_sender_rejected: "The API rejected the sender. Use an address that this account may send from.",
  api_recipient_rejected: "The API rejected this recipient. Check the address.",
  api_content_rejected: "The API rejected the message. Its reply has the reason.",
  graph_too_large:
    "The message is larger than Microsoft Graph accepts, which is about 3 MB. Send a smaller one, or send through smtp.office365.com.",
  api_too_large:
    "The message is larger than the API accepts. Send a smaller one, for example without attachments.",
  api_limit:
    "The account has reached a limit of the API. Wait until it resets, or set mails_per_minute and max_connections to lower values.",
  graph_token_scope:
    "Microsoft Graph rejected the access token. Set oauth_scope to https://graph.microsoft.com/.default, or leave it empty, and check that the token endpoint is that of the tenant.",
  graph_send_as:
    "The mailbox may not send as this sender. Set sender to the address of the mailbox in username, or grant the mailbox Send As.",
  graph_no_mailbox:
    "username is not a mailbox of Exchange Online in this tenant. Check username, and that the mailbox has a license.",
  graph_blocked:
    "Microsoft does not let this mailbox send at the moment. Open the mailbox: it may be full, or hold a message about what to do.",
  graph_permission:
    "The app may not send as this mailbox. Grant the application permission Mail.Send with admin consent, or assign it for this mailbox in Exchange (RBAC for Applications).",
  aws_time: "Amazon rejected the time of the request. Set the clock of this machine.",
  aws_secret:
    "Amazon rejected the secret key. Set password to the secret access key that belongs to username; the password of SES for SMTP is another one.",
  aws_key_unknown: "Amazon does not know the access key. Set username to an access key ID that is active.",
  aws_permission:
    "The access key may not send as this sender. Allow its user ses:SendEmail and ses:SendRawEmail for the identity of the sender.",
  ses_unverified:
    "SES has not verified an address of this message in this region. Verify the domain of the sender; in the sandbox, each recipient as well.",
  ses_paused: "Amazon has paused sending for this account. See the SES console for the reason.",
};
