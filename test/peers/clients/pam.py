"""Runs the PAM module without PAM: python3 pam.py <folder of privacyidea_pam.py> <url> <sqlite file>

Reads "user<TAB>password", then a code where the module asks for one, and prints ACCEPT, CHALLENGE, REJECT or FAIL.
"""

import sys

folder, url, sqlfile = sys.argv[1:]
sys.path.insert(0, folder)
import privacyidea_pam  # noqa: E402


class Handle:
    PAM_SUCCESS, PAM_AUTH_ERR, PAM_SYSTEM_ERR = "ACCEPT", "REJECT", "FAIL"
    PAM_PROMPT_ECHO_OFF, PAM_PROMPT_ECHO_ON = 1, 2

    class Message:
        def __init__(self, style, text):
            self.style, self.text = style, text

    class Response:
        def __init__(self, text):
            self.resp, self.resp_retcode = text, 0

    def __init__(self, user, password):
        self.user, self.authtok = user, password

    def get_user(self, prompt):
        return self.user

    def conversation(self, message):
        print("CHALLENGE", flush=True)
        return self.Response(sys.stdin.readline().rstrip("\n"))


for line in sys.stdin:
    user, _, password = line.rstrip("\n").partition("\t")
    handle = Handle(user, password)
    auth = privacyidea_pam.Authenticator(handle, {"url": url, "sqlfile": sqlfile})
    print(auth.authenticate(password), flush=True)
