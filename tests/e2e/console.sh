#!/usr/bin/env bash
# The page of a site in a headless Chromium: what a person sees in light and dark, on a phone, by the keyboard; read-only
# without a token. SAMARA_SCREENSHOTS=DIR keeps the pictures.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"

command -v chromium >/dev/null || die "this needs chromium"
need_root
pictures=${SAMARA_SCREENSHOTS:-$work/pictures}
mkdir -p "$pictures"
start_registry "$images_directory/registry"
start_site "$work/site"

# Nodes that only pretend, and a job.
start_process fleet_sim "$work/sim" "$build_directory/tests/tools/fleet_sim" --site "http://$site_address" --nodes 12 --seconds 300 --place-seconds 40
eventually 30 "the nodes are heard of" has_nodes 12
job=$(samara warm "${seed[@]}" "$(image_of python)" --level full --by tests)
is_placing() { [[ $(samara job show "${seed[@]}" "$job" --json | jq -r ".images[0].phase") == placing ]]; }
eventually 120 "the job places the image" is_placing

# browse NAME OPTION…: a picture, and the page as it is after some seconds of its own time.
browse() {
  local name=$1
  shift
  HOME=$work/home timeout 120 chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
    --user-data-dir="$work/profile-$name" --virtual-time-budget=6000 "$@" "--screenshot=$pictures/$name.png" \
    "http://$site_address/console/" >"$work/$name.log" 2>&1 || fail "chromium: $(tail -n 3 "$work/$name.log")"
  [[ -s $pictures/$name.png ]] || fail "no picture of $name"
}
page() {
  HOME=$work/home timeout 120 chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --user-data-dir="$work/profile-dom" --virtual-time-budget=6000 --dump-dom "http://$site_address/console/" 2>"$work/dom.log"
}

browse light --window-size=1280,1400
browse dark --window-size=1280,1400 --blink-settings=preferredColorScheme=0
browse phone --window-size=390,1600
dom=$(page)
contains "what a person reads" "$dom" 'samara/python:1'
contains "the nodes" "$dom" 'node-11'
contains "the state" "$dom" 'as of'
[[ $dom != *'<button'* ]] || fail "a page that nobody has shown a token to has buttons"
passed "without a token there is no button"
! grep -qi 'refused to\|uncaught\|error:' <(grep CONSOLE "$work/dom.log" || true) || fail "$(grep CONSOLE "$work/dom.log")"
passed "the browser has nothing to complain about"
equal "what the page's own origin answers to a change without a token" \
  "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H 'Samara-Console: 1' "http://$site_address/samara/v1/fleet/jobs/$job/cancel")" 403
