/** Hints for failures to get an access token, or to log in with it. */
export const TOKEN_HINTS = {
  token_client:
    "The token endpoint does not accept the client. Check oauth_client_id, and oauth_client_secret or oauth_private_key with oauth_certificate.",
  token_grant:
    "The token endpoint does not accept the grant. Sign in again for a new oauth_refresh_token, and check username.",
  token_scope:
    "The token endpoint does not accept the scope. Set oauth_scope to the one that your provider documents for SMTP.",
  token_consent:
    "The app may not send as this mailbox. Ask an administrator of the provider to grant consent, or to allow the sign-in.",
  token_unavailable:
    "The token endpoint gave no token, and Sealpost asks again. If this lasts, check the token URL and the network of this machine.",
  token_login_missing:
    "The server offers no login with an access token (XOAUTH2, OAUTHBEARER). Check server and port, or set auth to password.",
  token_rejected:
    "The server rejected the access token. Check that username is the mailbox of the token, and that oauth_scope is the one for SMTP.",
  token_request:
    "The token endpoint does not allow this request. Check oauth_flow, oauth_token_url and oauth_client_id.",
  entra_secret_wrong:
    "The client secret is wrong. Set oauth_client_secret to the Value of the secret, not to its Secret ID.",
  entra_secret_expired:
    "The client secret has expired. Create a new one, or use a certificate (oauth_private_key and oauth_certificate).",
  entra_public_client:
    "The app is a public client, which must not send a secret. Clear oauth_client_secret, or make the app confidential.",
  entra_app_unknown:
    "The tenant has no app {client_id}. Check oauth_client_id, and the tenant in the token URL.",
  entra_tenant_unknown:
    "The tenant in the token URL is unknown or missing. Set oauth_token_url to https://login.microsoftonline.com/<tenant ID>/oauth2/v2.0/token.",
  entra_tenant_needed:
    "The token endpoint of /common or /consumers is not for this app. Write the tenant ID in its place in oauth_token_url.",
  entra_certificate:
    "The certificate is not accepted. Upload oauth_certificate (thumbprint {thumbprint}) to the app, and check that it has not expired.",
  entra_scope:
    "The scope is not valid. The flow client_credentials takes exactly one, for SMTP https://outlook.office365.com/.default.",
  entra_permission:
    "The app {client_id} lacks a permission, or the consent to it. Ask an administrator of the tenant to grant admin consent, for SMTP to Office 365 Exchange Online.",
  entra_conditional_access:
    "Conditional Access or the security defaults block this sign-in. Ask an administrator of the tenant to exclude the app or this machine's IP address.",
  entra_refresh_expired:
    "The refresh token has expired or was revoked: after 90 days without use, a new password, or by the sign-in frequency. Sign in again.",
  entra_second_factor:
    "The account needs a second factor. Sign in again in the browser, or use the flow client_credentials.",
  entra_account: "The account is unknown, disabled or locked. Check the mailbox in username.",
  entra_too_many:
    "The provider counts too many token requests of this app. Wait, and check whether other programs use the same app.",
  google_delegation:
    "Domain-wide delegation is missing. Add the client ID {client_id} with the scope https://mail.google.com/ in the Google Admin console, under API controls, and wait up to 24 hours.",
  google_user_unknown:
    "Google has no such user. Set username to the mailbox of a Workspace user, not to the service account.",
  google_refresh_expired:
    "The refresh token has expired or was revoked: sign in again. If this repeats every 7 days, the consent screen is in Testing: publish the app, or make it Internal.",
  entra_app_unknown_id:
    "The tenant has no app with this client ID. Check oauth_client_id, and the tenant in the token URL.",
  entra_certificate_unnamed:
    "The certificate is not accepted. Upload oauth_certificate to the app, and check that it has not expired.",
  entra_permission_unnamed:
    "The app lacks a permission, or the consent to it. Ask an administrator of the tenant to grant admin consent, for SMTP to Office 365 Exchange Online.",
  google_delegation_unnamed:
    "Domain-wide delegation is missing. Add the client ID of the service account with the scope https://mail.google.com/ in the Google Admin console, under API controls, and wait up to 24 hours.",
  assertion_time: "The assertion is outside its time.",
  clock_check: "Check the clock of this machine.",
  clock_agrees: "The clock of this machine agrees with that of the token endpoint.",
  clock_behind: "The clock of this machine is {seconds} s behind that of the token endpoint.",
  clock_ahead: "The clock of this machine is {seconds} s ahead of that of the token endpoint.",
  field_missing: "{parameter} is missing. Set it and save.",
  field_unreadable: "{parameter} cannot be read. Set it and save.",
  field_without_key: "{parameter} has no readable key. Set it and save.",
  sign_in_missing: "{parameter} is missing. Sign in for the definition to get one.",
  sign_in_unreadable: "{parameter} cannot be read. Sign in for the definition to get one.",
};
