#!/bin/sh
# Runs a program on the Bun that package.json pins, after it has installed what the lock file names and is missing, and
# has built the admin page.
# `exec` makes the program the process that a terminal, a service manager or a container signals.
# Usage: tools/run.sh [--production] <arguments of bun>, or: tools/run.sh --deno <arguments of deno>
set -eu
cd "$(dirname "$0")/.."

case ${1:-} in
  --production | --deno) mode=$1 && shift ;;
  *) mode=--development ;;
esac
bun=node_modules/.bin/bun
version=$(sed -n 's/^ *"bun": "\([0-9][0-9.]*\)",*$/\1/p' package.json)

# npm passes its setting on to npx, which then warns that it ignores the one in .npmrc.
unset npm_config_allow_scripts

set_up() {
  if [ "$("$bun" --version 2>/dev/null)" = "$version" ]; then
    "$bun" install --frozen-lockfile --silent "$@"
  else
    npx --yes "bun@$version" install --frozen-lockfile --silent "$@"
  fi
}

if [ "$mode" = --production ]; then set_up --production; else set_up; fi

# Builds the admin page if a source is newer. A server without it still serves the API.
page=dist/page/_headers
if [ ! -f "$page" ] || [ -n "$(find src/ui src/http/page.ts src/wire/request.ts tools/page.ts bun.lock -newer "$page" 2>/dev/null | head -n 1)" ]; then
  "$bun" tools/page.ts || echo "The admin page cannot be built, and is not served" >&2
fi
if [ "$mode" = --deno ]; then
  # The program in node_modules/.bin would not pass signals on.
  exec "$("$bun" -p 'require("deno/install_api.cjs").runInstall()')" "$@"
fi
exec "$bun" "$@"
