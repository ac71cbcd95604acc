#!/usr/bin/env bash
# Installs Samara on this machine: programs, configuration, systemd units, manual pages and completion. Starts nothing, and changes nothing of
# containerd's; deploy/containerd/README.md says what to add there.
#
# usage: deploy/install.sh [site] [node]      both when none is named; $DESTDIR is put before every path
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# An existing configuration is the administrator's.
install_configuration() {
  local target=${DESTDIR:-}/etc/samara/$1.toml
  if [[ -e $target ]]; then
    note "$target is kept; the new example is $target.new"
    target=$target.new
  fi
  install -D -m 644 "$top/deploy/$1.toml" "$target"
}

install_daemon() {
  install -D -m 755 -t "${DESTDIR:-}/usr/local/bin" "$build_directory/apps/samara-$1"
  install -D -m 644 -t "${DESTDIR:-}/etc/systemd/system" "$top/deploy/systemd/samara-$1.service"
  install_configuration "$1"
}

# Manual pages, and what bash and zsh complete samara's words with.
install_help() {
  local share=${DESTDIR:-}/usr/local/share samara=$build_directory/apps/samara
  "$samara" man "$share/man/man1"
  mkdir -p "$share/bash-completion/completions" "$share/zsh/site-functions"
  "$samara" completion bash >"$share/bash-completion/completions/samara"
  "$samara" completion zsh >"$share/zsh/site-functions/_samara"
}

main() {
  local parts=("$@") part
  ((${#parts[@]})) || parts=(site node)
  for part in "${parts[@]}"; do [[ $part == site || $part == node ]] || die "unknown part $part: site or node"; done
  need_root
  install_packages
  build "$build_directory" --targets samara-site samara-node samara
  install -D -m 755 -t "${DESTDIR:-}/usr/local/bin" "$build_directory/apps/samara"
  install_help
  for part in "${parts[@]}"; do install_daemon "$part"; done
  note "installed: edit /etc/samara, then: systemctl daemon-reload && systemctl enable --now ${parts[*]/#/samara-}"
  note "what containerd needs: deploy/containerd/README.md"
}

main "$@"
