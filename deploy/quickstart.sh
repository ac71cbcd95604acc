#!/usr/bin/env bash
# Builds Samara, starts a container lazily and the ordinary way, and prints both side by side.
#
# usage: deploy/quickstart.sh [--keep] [IMAGE [COMMAND…]]
#
#   IMAGE     any reference from any registry that this machine reaches; without one, a python image with numpy and
#             flask that is built here from Debian's packages and pulled from a registry on this machine
#   COMMAND   what to start in it, instead of the image's own program
#   --keep    leave everything running until Ctrl-C, and say how to use it
#
# Needs root on Debian 12 and about 8 GiB of disk. The system's own containerd, registries and images are left alone:
# everything runs on free ports and in a temporary directory, and is gone in the end, also after Ctrl-C or a failure.
# Only the packages in deploy/packages.txt stay installed, and the build in build/.
source "$(dirname "${BASH_SOURCE[0]}")/stack.sh"

keep='' image='' command=() work=''
declare -A fetched=()

usage() { sed -n '2,/^source/{/^source/d; s/^# \{0,1\}//; p}' "${BASH_SOURCE[0]}"; }

parse_arguments() {
  while [[ ${1:-} == -* ]]; do
    case $1 in
      --keep) keep=yes ;;
      -h | --help) usage && exit 0 ;;
      *) die "unknown option $1; try --help" ;;
    esac
    shift
  done
  image=${1:-}
  command=("${@:2}")
}

prepare() {
  need_root
  need_fuse
  need_overlayfs
  need_disk "$top" 8
  install_packages
  note "building (the first time takes some minutes)"
  build "$build_directory" --targets samara-site samara-node samara cri_run
  if [[ -n $image ]]; then
    "$top/tests/images/build.sh" pause
  else
    "$top/tests/images/build.sh" python pause
    image=$local_registry/samara/python:1
  fi
}

# A registry on this machine is taken to speak plain HTTP, as containerd and Docker do.
allow_plain_http() {
  local registry=${image%%/*}
  [[ $registry =~ ^(localhost|127\.[0-9.]+)(:[0-9]+)?$ ]] || return 0
  extra_site_configuration="[upstream.\"$registry\"]
urls = [\"http://$registry\"]"
}

# start_lazy_node NAME: a node with an empty cache, and a containerd that asks it for snapshots.
start_lazy_node() {
  start_node "$work/$1"
  write_hosts "$work/$1/containerd" _default "http://$site_address"
  start_containerd "$work/$1/containerd" samara "$work/$1/snapshotter.sock"
  cri "$work/$1/containerd" pull "$pause_image"
}

# measure NAME: starts the image in the containerd of NAME; leaves the figures in $work/NAME.json, and the bytes fetched
# until then in fetched[NAME].
measure() {
  local before
  before=$(bytes_come_in "$1")
  cri "$work/$1/containerd" run --json --first-output "$image" ${command[@]:+-- "${command[@]}"} >"$work/$1.json" ||
    explain_failure "$1"
  fetched[$1]=$(($(bytes_come_in "$1") - before))
}

# explain_failure NAME: why, by those who know.
explain_failure() {
  grep -h -e level=warning -e level=error "$work/site/log" "$work/$1/node.log" 2>/dev/null | tail -n 3 >&2 || true
  die "$image could not be started; see the messages above"
}

# What containerd has fetched itself, and what samara-node has where there is one.
bytes_come_in() {
  local node=0
  [[ ! -d $work/$1/node ]] || node=$(node_fetched_bytes "$work/$1")
  echo $(($(content_bytes "$work/$1/containerd") + node))
}

figure_of() { jq -r "$2" "$work/$1.json"; }

first_output_of() {
  local ms
  ms=$(figure_of "$1" .first_output_ms)
  if [[ $ms == 0 ]]; then printf 'no output'; else seconds "$ms"; fi
}

run_lazily() {
  note "starting $image lazily, for the first time: it is converted while it is pulled"
  start_lazy_node first
  measure first
  note "starting it lazily once more, on a node that has nothing of it"
  wait_until 300 "the conversion of all layers" site_is_idle
  start_lazy_node again
  measure again
}

run_ordinarily() {
  note "starting it the ordinary way: full pull, overlayfs"
  mkdir -p "$work/ordinary/containerd"
  write_hosts "$work/ordinary/containerd" "$local_registry" "http://$registry_address"
  start_containerd "$work/ordinary/containerd" overlayfs
  cri "$work/ordinary/containerd" pull "$pause_image"
  measure ordinary
}

print_table() {
  local row='%-32s %14s %14s %14s\n' line size
  line=$(printf '%.0s-' {1..77})
  printf '\n%s\n\n' "$image"
  # shellcheck disable=SC2059  # the format is the row above
  {
    printf "$row" "" "first pull" "converted" "ordinary"
    printf "$row" "" "ever, lazily" "already, lazily" "pull"
    printf '%s\n' "$line"
    printf "$row" "time to first output" "$(first_output_of first)" "$(first_output_of again)" \
      "$(first_output_of ordinary)"
    printf "$row" "bytes fetched until then" "$(mib "${fetched[first]}")" "$(mib "${fetched[again]}")" \
      "$(mib "${fetched[ordinary]}")"
    size=$(mib "${fetched[ordinary]}")
    printf "$row" "bytes in the image" "$size" "$size" "$size"
  }
  printf '\nIt said: %s\n\n' "$(figure_of again .output | head -n 1)"
}

hold() {
  cat <<TEXT
Everything is still running; Ctrl-C ends it.

  start a container lazily    $build_directory/tests/tools/cri_run --socket $work/again/containerd/containerd.sock run IMAGE
  look at containerd          ctr --address $work/again/containerd/containerd.sock --namespace k8s.io images ls
  look at the node            $build_directory/apps/samara status --address unix://$work/again/node.sock
  metrics                     curl http://$site_address/metrics
  logs and configuration      $work
  the local registry          http://$registry_address, pulled as $local_registry/…
TEXT
  start_process sleep /dev/null sleep infinity
  wait "$started"
}

main() {
  parse_arguments "$@"
  prepare
  temporary_directory work
  allow_plain_http
  start_registry "$images_directory/registry"
  start_site "$work/site"
  run_lazily
  run_ordinarily
  print_table
  [[ -z $keep ]] || hold
}

main "$@"
