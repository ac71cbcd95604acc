#!/usr/bin/env bash
# What helps at a terminal: manual pages that groff has nothing to say against, completion in bash and zsh.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

temporary_directory work
samara() { "$build_directory/apps/samara" "$@"; }

samara man "$work/man"
at_least "the pages" "$(find "$work/man" -name 'samara*.1' | wc -l)" 30
for page in "$work"/man/*.1; do
  complaints=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
  [[ -z $complaints ]] || fail "groff says of $(basename "$page"): $complaints"
done
passed "groff has nothing to say against them"
text=$(groff -man -Tutf8 -P-cbou "$work/man/samara-warm.1")
contains "the page of samara warm" "$text" "from.k8s"
contains "its synopsis" "$text" "samara warm \[OPTIONS\]"

# complete_bash WORD…: what is offered for the last of them.
complete_bash() {
  bash -c 'source "$1"; shift; COMP_WORDS=(samara "$@"); COMP_CWORD=$#; _samara; echo "${COMPREPLY[*]}"' _ "$work/samara.bash" "$@"
}
# complete_zsh WORD…: the same; zsh filters by what is typed itself.
complete_zsh() {
  # shellcheck disable=SC2016  # zsh's dollars
  zsh -f -c 'source "$1"; shift; compadd() { shift; print -r -- "$*" }; words=(samara "$@"); CURRENT=${#words}; _samara' _ "$work/_samara" "$@"
}
samara completion bash >"$work/samara.bash"
samara completion zsh >"$work/_samara"
succeeds "bash reads its completion" bash -n "$work/samara.bash"
succeeds "zsh reads its completion" zsh -n "$work/_samara"
equal "what bash offers for a job" "$(complete_bash job c)" "cancel"
contains "what bash offers after a word that is an option's" "$(complete_bash --seed x warm --from)" "--from-k8s"
contains "what zsh offers for a job" "$(complete_zsh job '')" "show watch cancel resume retry"
# shellcheck disable=SC2016  # zsh's dollars
contains "what zsh offers that loads it by itself" \
  "$(zsh -f -c 'fpath=("$1" $fpath); autoload -U _samara; compadd() { shift; print -r -- "$*" }; words=(samara job ""); CURRENT=3; _samara' _ "$work")" \
  "show watch cancel resume retry"
contains "what zsh offers of warm" "$(complete_zsh warm '')" "--from-k8s"

# Colours and lines that are drawn again are for terminals.
text=$(samara warm x --seed "unix://$work/nobody" 2>&1 || true)
[[ $text != *$'\033'* ]] || fail "there are colours in a file: $text"
passed "no colours in a file"
