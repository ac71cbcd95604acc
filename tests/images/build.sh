#!/usr/bin/env bash
# Builds the real images that the tests, the benchmarks and the quickstart use, out of Debian's packages.
#
# usage: tests/images/build.sh [NAME…]      names: python python2 node java pause postgres gcc; none means
#                                           all but the last two, which benchmarks and long tests want
#
# Result, under build/images (or $SAMARA_IMAGES), kept until a recipe changes:
#   registry/      storage of a docker-registry: samara/python:1, samara/python:2, samara/node:1, samara/java:1,
#                  samara/pause:1
#   oci/           the same images as one OCI layout
#   layers/NAME/   what each layer is made of
#
# An image is a stack of layers; a layer is what layers/NAME.sh changes in the root below it, kept by overlayfs as an
# upper directory and written out as a tar by layer_tar.py. node is stored with zstd layers and java as a Docker
# image, so that every kind of image that registries hold is pulled at least once.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../deploy/stack.sh"

readonly suite=bookworm
readonly builder_version=1  # raise it when this script changes what it makes

# ---- the images ------------------------------------------------------------------------------------------------

# Layers of an image, lowest first.
layers_of() {
  case $1 in
    python) echo base python odd ;;
    python2) echo base python2 odd ;;
    node) echo base node ;;
    java) echo base java ;;
    postgres) echo base postgres ;;
    gcc) echo base gcc ;;
    pause) echo pause ;;
    *) die "there is no image '$1'; there are: python python2 node java pause postgres gcc" ;;
  esac
}

# The layers that a layer is built upon, lowest first.
layers_below() {
  case $1 in
    base | pause) ;;
    *) echo base ;;
  esac
}

# Name and tag in the registry.
reference_of() {
  case $1 in
    python2) echo samara/python:2 ;;
    *) echo "samara/$1:1" ;;
  esac
}

# The program that the image starts, one word a line.
command_of() {
  case $1 in
    python | python2) printf '%s\n' python3 /srv/hello.py ;;
    node) printf '%s\n' node /srv/hello.js ;;
    java) printf '%s\n' java -cp /usr/share/java/js.jar org.mozilla.javascript.tools.shell.Main /srv/hello.js ;;
    pause) printf '%s\n' /pause ;;
    postgres) printf '%s\n' /usr/lib/postgresql/15/bin/postgres --version ;;
    gcc) printf '%s\n' gcc --version ;;
  esac
}

# How it is stored in the registry: options for skopeo.
storage_of() {
  case $1 in
    node) echo --dest-compress-format=zstd ;;
    java) echo --format=v2s2 ;;
  esac
}

# ---- layers ----------------------------------------------------------------------------------------------------

# Changes whenever what the layer would hold does.
layer_key() {
  local name=$1 below recipe=
  case $name in
    base) recipe="$suite minbase" ;;
    pause) recipe=$(<"$here/pause.c") ;;
    *) recipe=$(<"$here/layers/$name.sh") ;;
  esac
  {
    echo "$builder_version $recipe"
    cat "$here/layer_tar.py"
    for below in $(layers_below "$name"); do layer_key "$below"; done
  } | sha256sum | cut -d' ' -f1
}

# with_overlay NAME UPPER COMMAND…: runs COMMAND with one argument more, a directory that shows the layers below and keeps changes in `upper`.
with_overlay() {
  local name=$1 upper=$2 lower='' below merged='' work=$2.work
  shift 2
  for below in $(layers_below "$name"); do lower="$images_directory/layers/$below/diff${lower:+:$lower}"; done
  temporary_directory merged
  mkdir -p "$upper" "$work"
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work,index=off,redirect_dir=off,metacopy=off" \
    "$merged"
  "$@" "$merged"
  remove_directory "$merged"
  rm -rf --one-file-system "$work"
}

# Runs a layer's recipe in the chroot `root`, with package lists and archives shared by all recipes.
run_in_chroot() {
  local recipe=$1 root=$2
  mkdir -p "$images_directory/apt/lists/partial" "$images_directory/apt/archives/partial"
  mount --bind "$images_directory/apt/lists" "$root/var/lib/apt/lists"
  mount --bind "$images_directory/apt/archives" "$root/var/cache/apt/archives"
  mount -t proc proc "$root/proc"
  cp "$recipe" "$root/tmp/recipe.sh"
  [[ -n ${package_lists_are_new:-} ]] || chroot "$root" apt-get update -q
  package_lists_are_new=yes
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    sh -eu /tmp/recipe.sh
  rm "$root/tmp/recipe.sh"
}

run_in_root() {
  local recipe=$1 root=$2
  (cd "$root" && sh -eu "$recipe")
}

make_base() {
  mmdebstrap --quiet --variant=minbase --skip=output/dev "$suite" "$1" ${SAMARA_DEBIAN_MIRROR:+"$SAMARA_DEBIAN_MIRROR"}
}

make_pause() {
  mkdir -p "$1"
  gcc -static -Os -o "$1/pause" "$here/pause.c"
}

# make_layer NAME DIRECTORY: fills DIRECTORY with what the layer holds.
make_layer() {
  case $1 in
    base) make_base "$2" ;;
    pause) make_pause "$2" ;;
    odd) with_overlay odd "$2" run_in_root "$here/layers/odd.sh" ;;
    *) with_overlay "$1" "$2" run_in_chroot "$here/layers/$1.sh" ;;
  esac
}

# Builds layers/NAME unless it is there already.
build_layer() {
  local name=$1 key directory fresh
  key=$(layer_key "$name") directory=$images_directory/layers/$name
  [[ $(cat "$directory/key" 2>/dev/null) != "$key" ]] || return 0
  note "building layer $name"
  rm -rf --one-file-system "$directory" "$directory.new"
  fresh=$directory.new
  mkdir -p "$fresh"
  run_logged "$images_directory/layers/$name.log" make_layer "$name" "$fresh/diff"
  python3 "$here/layer_tar.py" "$fresh/diff" "$fresh/layer.tar"
  echo "$key" >"$fresh/key"
  mv "$fresh" "$directory"
}

# ---- images ----------------------------------------------------------------------------------------------------

image_key() {
  local layer
  {
    for layer in $(layers_of "$1"); do layer_key "$layer"; done
    command_of "$1"
    storage_of "$1"
  } | sha256sum | cut -d' ' -f1
}

# The image in oci/, as tag NAME. Those on the base layer begin as a copy of the tag "base" and so share its blob.
assemble() {
  local name=$1 layer word layers=() options=()
  read -ra layers <<<"$(layers_of "$name")"
  if [[ ${layers[0]} == base && ${#layers[@]} -gt 1 ]]; then
    assemble_base
    umoci tag --image "$images_directory/oci:base" "$name"
    layers=("${layers[@]:1}")
  else
    umoci new --image "$images_directory/oci:$name"
  fi
  for layer in "${layers[@]}"; do
    umoci raw add-layer --image "$images_directory/oci:$name" "$images_directory/layers/$layer/layer.tar"
  done
  while read -r word; do options+=("--config.cmd=$word"); done < <(command_of "$name")
  umoci config --image "$images_directory/oci:$name" "--config.env=PATH=/usr/sbin:/usr/bin:/sbin:/bin" "${options[@]}"
}

assemble_base() {
  local key
  key=$(layer_key base)
  [[ $(cat "$images_directory/oci.base" 2>/dev/null) != "$key" ]] || return 0
  umoci new --image "$images_directory/oci:base"
  umoci raw add-layer --image "$images_directory/oci:base" "$images_directory/layers/base/layer.tar"
  echo "$key" >"$images_directory/oci.base"
}

is_done() { [[ $(cat "$images_directory/done/$1" 2>/dev/null) == "$(image_key "$1")" ]]; }

build_image() {
  local name=$1 layer options=()
  ! is_done "$name" || return 0
  for layer in $(layers_of "$name"); do build_layer "$layer"; done
  note "assembling image $name"
  [[ -d $images_directory/oci ]] || umoci init --layout "$images_directory/oci"
  run_logged "$images_directory/oci.log" assemble "$name"
  read -ra options <<<"$(storage_of "$name")"
  [[ -n ${registry_address:-} ]] || start_registry "$images_directory/registry"
  skopeo copy --quiet --dest-tls-verify=false "${options[@]}" "oci:$images_directory/oci:$name" \
    "docker://$registry_address/$(reference_of "$name")"
  mkdir -p "$images_directory/done"
  image_key "$name" >"$images_directory/done/$name"
}

all_done() {
  local name
  for name in "$@"; do is_done "$name" || return 1; done
}

main() {
  local names=("$@") name
  ((${#names[@]})) || names=(python python2 node java pause)
  for name in "${names[@]}"; do layers_of "$name" >/dev/null; done
  mkdir -p "$images_directory/layers"
  exec {lock}>"$images_directory/lock"
  flock "$lock"
  ! all_done "${names[@]}" || return 0
  need_root
  need_overlayfs
  need_disk "$images_directory" 4
  for name in "${names[@]}"; do build_image "$name"; done
}

main "$@"
