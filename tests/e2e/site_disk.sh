#!/usr/bin/env bash
# A site's disk: what a killed site had got of a blob isn't fetched again, and a cache that is smaller than an image still
# pulls it. The upstream is an nginx over files, whose log tells what was sent.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readonly mib=$((1 << 20))

# start_nginx RATE: serves $work/www, a connection at RATE bytes a second. Sets $registry_address, and $upstream_log: a
# line a request, "<status> <bytes of body> <Range or -> <path>".
start_nginx() {
  local directory=$work/nginx port
  port=$(free_port)
  mkdir -p "$directory"
  upstream_log=$directory/access.log
  cat >"$directory/nginx.conf" <<CONF
user root;
worker_processes 1;
pid $directory/pid;
error_log $directory/error.log;
daemon off;
events {}
http {
  log_format sent '\$status \$body_bytes_sent "\$http_range" \$uri';
  access_log $upstream_log sent;
  client_body_temp_path $directory; proxy_temp_path $directory; fastcgi_temp_path $directory;
  uwsgi_temp_path $directory; scgi_temp_path $directory;
  server {
    listen 127.0.0.1:$port;
    root $work/www;
    limit_rate $1;
    location /v2/fast/ { limit_rate 0; }
    default_type application/octet-stream;
    location = /v2/ { return 200 "{}"; }
  }
}
CONF
  registry_address=127.0.0.1:$port
  start_process nginx "$directory/log" nginx -e "$directory/error.log" -c "$directory/nginx.conf"
  wait_ready "$started" nginx "$directory/error.log" curl -sf -o /dev/null "http://$registry_address/v2/"
}

# make_blob MIB: noise; prints its digest.
make_blob() {
  local digest
  head -c $(($1 * mib)) /dev/urandom >"$work/www/v2/app/blobs/new"
  digest=sha256:$(sha256sum <"$work/www/v2/app/blobs/new" | cut -d' ' -f1)
  mv "$work/www/v2/app/blobs/new" "$work/www/v2/app/blobs/$digest"
  printf '%s\n' "$digest"
}

# blob_url DIGEST [REPOSITORY]: the registry gives those of "fast" as fast as it can.
blob_url() { printf 'http://%s/v2/%s/blobs/%s?ns=%s\n' "$site_address" "${2:-app}" "$1" "$local_registry"; }
# digest_through_site DIGEST [REPOSITORY]: what the bytes that the site gives hash to.
digest_through_site() { printf 'sha256:%s\n' "$(curl -sf "$(blob_url "$@")" | sha256sum | cut -d' ' -f1)"; }
site_bytes() { du -s --block-size=1 "$work/$1/cache" | cut -f1; }
# start_small_site NAME QUOTA
start_small_site() {
  extra_site_configuration="convert = \"never\"
[cache]
quota = \"$2\""
  start_site "$work/$1"
}

need_root
temporary_directory work
mkdir -p "$work/www/v2/app/blobs"
ln -s app "$work/www/v2/fast"
start_nginx 8m

# Killed in the middle of a blob.
extra_site_configuration='convert = "never"'
start_site "$work/killed"
blob=$(make_blob 48)
curl -s -o /dev/null "$(blob_url "$blob")" &
reader=$!
half_way() { (($(metric "$site_address" samara_site_upstream_bytes_total) > 16 * mib)); }
eventually 60 "a third of the blob has come" half_way
kill_process "$site_pid"
wait "$reader" || true
start_site "$work/killed"
equal "the digest of what the next site gives" "$(digest_through_site "$blob")" "$blob"
eventually 10 "the registry has noted the second request" grep -q '^206 ' "$upstream_log"
rest=$(awk '$1 == 206 { print $2 }' "$upstream_log")
less_than "the bytes that it asked for" "$rest" $((34 * mib))
contains "the range that it asked for" "$(tail -n 1 "$upstream_log")" "\"bytes=$((48 * mib - rest))-\""
equal "the digest of what is given without asking anybody" "$(digest_through_site "$blob")" "$blob"
equal "the requests that the registry has given bytes for" "$(awk '/blobs/ && $2 > 0' "$upstream_log" | wc -l)" 2
stop_site "$work/killed"

# What lies there of it is corrupt: nobody gets it.
rm -rf "$work/killed/cache"
start_site "$work/killed"
curl -s -o /dev/null "$(blob_url "$blob")" &
reader=$!
eventually 60 "a third of the blob has come again" half_way
kill_process "$site_pid"
wait "$reader" || true
part=$(find "$work/killed/cache/incoming" -type f -size +8M)
printf 'X' | dd of="$part" bs=1 seek=1000 conv=notrunc status=none
start_site "$work/killed"
fails "a download that goes on from corrupt bytes isn't given whole" curl -sf -o "$work/wrong" "$(blob_url "$blob")"
equal "the digest of what is given after it" "$(digest_through_site "$blob")" "$blob"
stop_site "$work/killed"

# A cache of 64 MiB: blobs of 20 MiB take turns in it, and one of 100 MiB is passed on.
start_small_site small 64MiB
large=$(make_blob 100)
blobs=()
for _ in 1 2 3 4 5 6; do blobs+=("$(make_blob 20)"); done
for one in "${blobs[@]}" "$large" "${blobs[@]: -1}"; do
  equal "the digest of a blob through a small cache" "$(digest_through_site "$one" fast)" "$one"
done
times_fetched() { awk -v path="$1" 'index($NF, path) && $2 > 0' "$upstream_log" | wc -l; }
equal "how often the last one was fetched, with one in between that could never be kept" "$(times_fetched "${blobs[-1]}")" 1
for one in "${blobs[@]}"; do
  equal "the digest of a blob that may have been evicted" "$(digest_through_site "$one" fast)" "$one"
done
small_enough() { (($(site_bytes small) <= 64 * mib)); }
eventually 30 "the cache is within its quota" small_enough
at_least "the objects that were evicted" "$(metric "$site_address" samara_cache_evictions_total)" 3
