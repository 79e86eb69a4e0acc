#!/usr/bin/env python3
"""Saves the SMTP server definitions of privacyIDEA in Sealpost, over its API.

    pi-manage config export -t smtpserver | URL=https://mail.example.org KEY=sp_... python3 import-privacyidea.py

Reads what pi-manage exports, as JSON or YAML (which needs PyYAML), or the response of GET /smtpserver/, from a file or
from standard input. Run it on the machine of privacyIDEA, where the files of keys and certificates are. KEY is an API
key with the right smtpserver_write. A definition that exists in Sealpost is kept, unless --replace is given.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

CENSORED = "__CENSORED__"
TIMEOUT_SECONDS = 30
SECRETS = ("password", "private_key_password")
# privacyIDEA has paths of files in these, Sealpost has their content.
FILES = ("private_key", "certificate")


def read_definitions(text):
    """Returns the definitions by name."""
    try:
        data = json.loads(text)
    except ValueError:
        import yaml

        data = yaml.safe_load(text)
    if isinstance(data, dict) and "result" in data:
        data = {"smtpserver": data["result"].get("value")}
    definitions = data.get("smtpserver") if isinstance(data, dict) else None
    if not isinstance(definitions, dict):
        sys.exit("import-privacyidea: no definitions: expected an export of the type smtpserver")
    return definitions


def convert(definition):
    """Returns the parameters for Sealpost, and sentences about what is missing."""
    parameters = {name: value for name, value in definition.items() if value is not None}
    problems = []
    for name in SECRETS:
        if parameters.get(name) == CENSORED:
            del parameters[name]
            problems.append(f"{name} is censored in the export: set it in Sealpost")
    for name in FILES:
        value = parameters.get(name, "")
        if value == "" or "-----BEGIN" in value:
            continue
        try:
            with open(value, encoding="utf-8") as file:
                parameters[name] = file.read()
        except (OSError, UnicodeDecodeError) as error:
            del parameters[name]
            problems.append(f"{name} cannot be read from {value} ({error.__class__.__name__}): set it in Sealpost")
    lacks_key = any(not parameters.get(name) for name in FILES) or "private_key_password is" in " ".join(problems)
    if parameters.get("smime") and lacks_key:
        for name in (*FILES, "private_key_password"):
            parameters.pop(name, None)
        parameters["smime"] = False
        problems.append("smime is off until key and certificate are there")
    return parameters, problems


def save(url, key, name, parameters, replaces):
    """Saves one definition. Returns its warnings, or raises ValueError with the reason of the rejection."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    if not replaces:
        headers["If-None-Match"] = "*"
    address = f"{url.rstrip('/')}/smtpserver/{urllib.parse.quote(name, safe='')}"
    request = urllib.request.Request(address, json.dumps(parameters).encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return (json.load(response).get("detail") or {}).get("warnings", [])
    except urllib.error.HTTPError as error:
        if error.code == 412:
            raise ValueError("it exists already; --replace replaces it") from None
        try:
            reason = json.load(error)["result"]["error"]["message"]
        except (ValueError, KeyError, TypeError):
            reason = f"HTTP {error.code}"
        raise ValueError(reason) from None
    except urllib.error.URLError as error:
        sys.exit(f"import-privacyidea: {url} cannot be reached: {error.reason}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=argparse.FileType("r", encoding="utf-8"), default=sys.stdin)
    parser.add_argument("--replace", action="store_true", help="replace definitions that exist")
    arguments = parser.parse_args()
    url, key = os.environ.get("URL", ""), os.environ.get("KEY", "")
    if url == "" or key == "":
        sys.exit("import-privacyidea: set URL to the URL of Sealpost, and KEY to an API key")
    is_complete = True
    for name, definition in read_definitions(arguments.file.read()).items():
        parameters, problems = convert(definition)
        try:
            warnings = save(url, key, name, parameters, arguments.replace)
            print(f"{name}: saved")
        except ValueError as error:
            problems, warnings = [f"not saved: {error}"], []
        for sentence in [*problems, *warnings]:
            print(f"{name}: {sentence}")
        is_complete = is_complete and not problems
    sys.exit(0 if is_complete else 1)


if __name__ == "__main__":
    main()
