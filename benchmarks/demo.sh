#!/bin/sh
# A minute of training on Python's own manual, then what the model makes of it.
set -eu
throughtime=$1
run=runs/demo

say() { printf '\n$ throughtime %s\n' "$*"; }

rm -rf "$run"
set -- train text builtin:python-manual --minutes 1 --out "$run"
say "$@"; "$throughtime" "$@"

set -- evaluate "$run"
say "$@"; "$throughtime" "$@"

set -- sample "$run" --prompt "The " --temperature 0.7 --min-length 300 --length 300 --seed 3
say "$@"; "$throughtime" "$@"

say score "$run" --sort "(four sentences)"
"$throughtime" score "$run" --sort <<'LINES'
The expression is evaluated once.
The expression is evaluated wants.
Evaluated expression the once is.
Zhe qxpression wz evaluated oncq.
LINES
