#!/usr/bin/env bash
# The page of a site in a headless Chromium: what a person sees in light and dark, on a phone, by the keyboard; read-only
# without a token. SAMARA_SCREENSHOTS=DIR keeps the pictures.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"

command -v chromium >/dev/null || die "this needs chromium"
need_root
pictures=${SAMARA_SCREENSHOTS:-$work/pictures}
mkdir -p "$pictures"
readonly token=0123456789abcdef0123456789abcdef
start_registry "$images_directory/registry"
printf 'tester %s\n' "$token" >"$work/tokens"
token_address=127.0.0.1:$(free_port)
extra_site_configuration="[listener.tokens]
listen = \"$token_address\"
tokens_file = \"$work/tokens\""
start_site "$work/site"

# Nodes that only pretend, and a job.
start_process fleet_sim "$work/sim" "$build_directory/tests/tools/fleet_sim" --site "http://$site_address" --nodes 12 --seconds 500 --place-seconds 400
eventually 30 "the nodes are heard of" has_nodes 12
job=$(samara warm "${seed[@]}" "$(image_of python)" --level full --by tests)
is_placing() { [[ $(samara job show "${seed[@]}" "$job" --json | jq -r ".images[0].phase") == placing ]]; }
eventually 120 "the job places the image" is_placing
# Debian's own python3, which has its websocket.
/usr/bin/python3 "$top/tests/e2e/console.py" "http://$site_address/console/" "http://$token_address/console/" "$token" "$job" "$pictures"
eventually 10 "the job runs, as the page has it" is_in_state "$job" running
for picture in light dark phone phone-dark; do
  [[ -s $pictures/$picture.png ]] || fail "no picture $picture"
done
! grep -qF "$token" "$work/site/log" || fail "the token is in the log"
passed "the token isn't in the log"
