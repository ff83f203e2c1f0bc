#!/bin/sh
# A minute of training on Python's own manual, then what the model makes of it.
set -eu
throughtime=$1
run=runs/demo

# Shows a command as a person would type it, then runs it.
show() {
    line='$ throughtime'
    for word in "$@"; do
        case $word in *' '*) line="$line \"$word\"" ;; *) line="$line $word" ;; esac
    done
    printf '\n%s\n' "$line"
    "$throughtime" "$@"
}

rm -rf "$run"
show train text builtin:python-manual --minutes 1 --batch 16 --bptt 64 --lr 5e-3 --dropout 0.1 --out "$run"
show evaluate "$run"
show sample "$run" --prompt "The " --temperature 0.6 --min-length 300 --seed 3
show score "$run" --sort \
    --line "The expression is evaluated wants." \
    --line "Zhe qxpression wz evaluated oncq." \
    --line "The expression is evaluated once." \
    --line "Evaluated expression the once is."

printf '\nWhat it does with a text, letter by letter, in a browser:\n$ . .venv/bin/activate\n$ throughtime serve %s\n' "$run"
