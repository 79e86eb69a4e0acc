/** What is sent where a binding says nothing else; templates. */
export const DEFAULT_SUBJECT = "{event}";
export const DEFAULT_BODY = `Hello {recipient_givenname},

{event} at {time} UTC on {date}.

User: {username}
Token: {serial}
Definition: {identifier}
By: {admin}
From: {client_ip}
Outcome: {authentication} {state} {phase} {reason}
`;
export const DEFAULT_HTML = `<pre>${DEFAULT_BODY}</pre>`;
