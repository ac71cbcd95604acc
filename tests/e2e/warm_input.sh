#!/usr/bin/env bash
# What people hand to `samara warm`, and what bad input gets: batches and Kubernetes manifests from real files; what isn't
# one, images, nodes and credentials that aren't there, a node without room. Each is told with the fix, nothing is moved for
# it, and no secret is written down.
source "$(dirname "${BASH_SOURCE[0]}")/warm_lib.sh"
source "$top/tests/e2e/private.sh"

readonly password=hunter2 wrong=not-the-password-at-all
start_registry "$images_directory/registry"
start_private_registry "$images_directory/registry"
printf '%s\n' "$password" >"$work/password"
printf '%s\n' "$wrong" >"$work/wrong"
extra_site_configuration="[upstream.\"private.local\"]
urls = [\"http://$private_address\"]
username = \"me\"
password_file = \"$work/password\"
[upstream.\"refused.local\"]
urls = [\"http://$private_address\"]
username = \"me\"
password_file = \"$work/wrong\""
start_site "$work/site"
start_node "$work/one"
extra_node_configuration+=$'\n[cache]\nquota = "64MiB"'
start_node "$work/small"
eventually 30 "both nodes are heard of" has_nodes 2

# says WHAT PATTERN OPTION…: `samara warm OPTION…` fails, and says so.
says() {
  local what=$1 pattern=$2 text status=0
  shift 2
  text=$(samara warm "${seed[@]}" "$@" 2>&1) || status=$?
  ((status != 0)) || fail "$what ends with success: $text"
  contains "$what" "$text" "$pattern"
}
jobs_there() { samara jobs "${seed[@]}" --json | jq '.jobs | length'; }
images_of() { samara job show "${seed[@]}" "$1" --json | jq -r '[.images[] | "\(.wish.image | sub(".*/"; "")) \(.wish.level)"] | join(", ")'; }

# ---- batches ----

cat >"$work/batch.yaml" <<YAML
pin: 1h
level: index
nodes: name=one
images:
  - $(image_of python)
  - image: $(image_of node)
    level: full
    deadline: 10m
YAML
result=$(samara warm "${seed[@]}" -f "$work/batch.yaml" --wait --json)
equal "the state of a batch" "$(jq -r .state <<<"$result")" "done"
equal "the images of a batch" "$(images_of "$(jq -r .id <<<"$result")")" "python:1 index, node:1 full"
equal "the placements of a batch" "$(jq .counts.verified <<<"$result")" 2
equal "its pin" "$(jq -r .pin_seconds <<<"$result")" 3600
contains "a batch on standard input" "$(samara warm "${seed[@]}" -f - --plan <"$work/batch.yaml")" "python:1  index"

# ---- Kubernetes ----

cat >"$work/pods.yaml" <<YAML
%YAML 1.2
---
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  initContainers:
    - name: before
      image: $pause_image
  containers:
    - {name: main, image: "$(image_of python)"}
    - {name: again, image: "$(image_of python)"}
...
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {image: not-one}
YAML
cat >"$work/more.yaml" <<YAML
apiVersion: v1
kind: List
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {replicas: 3, template: &template {spec: {containers: [{name: web, image: "$(image_of node)"}]}}}
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: again}
    spec: {template: *template}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {containers: [{name: job, image: "$(image_of java)"}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 0 * * *"
  jobTemplate: {spec: {template: {spec: {containers: [{name: cron, image: "$(image_of python2)"}]}}}}
YAML
result=$(samara warm "${seed[@]}" --from-k8s "$work/pods.yaml" "$work/more.yaml" --level index --nodes name=one --wait --json)
equal "the state of what the manifests name" "$(jq -r .state <<<"$result")" "done"
equal "what they name" "$(images_of "$(jq -r .id <<<"$result")")" "pause:1 index, python:1 index, node:1 index, java:1 index, python:2 index"
contains "what was passed over" "$(samara warm "${seed[@]}" --from-k8s "$work/pods.yaml" --nodes name=one --plan 2>&1)" "1 objects without images"

# ---- what isn't one ----

before=$(jobs_there)
printf 'images:\n  - image: a\n    levle: full\n' >"$work/typo.yaml"
says "a batch with a mistake" 'typo.yaml:3:5: unknown key "levle"' -f "$work/typo.yaml"
printf 'images: [a\n' >"$work/broken.yaml"
says "a batch that isn't YAML" 'broken.yaml:' -f "$work/broken.yaml"
printf 'level: full\n' >"$work/empty.yaml"
says "a batch without images" 'needs a list .images.' -f "$work/empty.yaml"
printf 'hello: world\n' >"$work/hello.yaml"
says "a manifest that isn't" 'an object without a kind' --from-k8s "$work/hello.yaml"
printf 'kind: ConfigMap\nmetadata: {name: x}\n' >"$work/config.yaml"
says "a manifest without pods" 'names no image' --from-k8s "$work/config.yaml"
printf ',:n.p' >"$work/endless.yaml"
says "what yaml-cpp would read for ever" "isn't YAML" --from-k8s "$work/endless.yaml"
says "a file that isn't there" "$work/nothing.yaml" -f "$work/nothing.yaml"
says "a level that isn't one" 'levle.* is no level' -f - < <(printf 'level: levle\nimages: [a]\n')
says "no image at all" 'name an image'
says "a deadline that isn't one" 'deadline' "$(image_of python)" --deadline soon
says "a selector that isn't one" 'selector' "$(image_of python)" --nodes '='
says "a selector that means nobody" 'none of the 2 nodes is meant by .zone=x.; labels here' "$(image_of python)" --nodes zone=x
says "a site that isn't there" 'no site "moon" is known here; those that are: site' "$(image_of python)" --site moon
equal "jobs that all of these made" "$(($(jobs_there) - before))" 0

# ---- images that can't be had ----

says "a name that isn't one" 'UPPER' "$local_registry/UPPER//x:1" --wait
says "an image that isn't there" 'samara/nothing' "$local_registry/samara/nothing:1" --wait
says "a platform that isn't there" 'no image for linux/s390x' "$(image_of python)" --platform linux/s390x --wait
says "a refused credential" '(credential|denied|401|unauthorized|authenticat)' refused.local/samara/python:1 --wait
text=$(samara warm "${seed[@]}" refused.local/samara/python:1 --wait 2>&1 || true)
[[ $text != *"$wrong"* ]] || fail "the refusal shows the password: $text"
passed "the refusal doesn't show the password"
says "half a job" "samara/nothing:1: .*samara job retry" "$(image_of python)" "$local_registry/samara/nothing:1" --level index --nodes name=one --wait

# ---- a node without room ----

fetched=$(node_fetched_bytes "$work/small")
says "a node without room" 'small lacks full of .*: not enough room: it takes [0-9]+ bytes.*raise \[cache\] quota' "$(image_of python)" --nodes name=small --level full --wait
equal "what it fetched" "$(node_fetched_bytes "$work/small")" "$fetched"

# ---- secrets ----

succeeds "an image that needs the site's own credential" samara warm "${seed[@]}" private.local/samara/python:1 --level index --nodes name=one --wait
samara jobs "${seed[@]}" --json >"$work/said"
for job in $(jq -r '.jobs[].id' "$work/said"); do samara job show "${seed[@]}" "$job" --json >>"$work/said"; done
"$build_directory/apps/samara" logs-bundle "$work/bundle" "${seed[@]}" --node "unix://$work/one/node.sock" --site-url "http://$site_address" \
  --node-url "http://$(node_address "$work/one")" --config "$work/site/site.toml" --config "$work/one/node.toml" >/dev/null
at_least "the files of a bundle" "$(find "$work/bundle" -type f | wc -l)" 12
succeeds "a bundle has the jobs" jq -e '.jobs | length > 3' "$work/bundle/seed-jobs.json"
succeeds "a bundle has the node" jq -e '.version' "$work/bundle/node-status.json"
stop_site "$work/site"
encoded=$(printf 'me:%s' "$password" | base64)
found=$(grep -rlaF -e "$password" -e "$wrong" -e "$encoded" "$work/said" "$work/bundle" "$work/site/log" "$work/site/cache" "$work/one/node" "$work/one/node.log" || true)
equal "files with a password in them" "$found" ""
