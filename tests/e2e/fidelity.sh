#!/usr/bin/env bash
# A container can't tell: the same programs print the same on lazy layers as on unpacked ones. Reads of every kind,
# locks, writes that copy up, dpkg's own check of every file, a byte-compiler, a compiler, a package that is installed and
# removed, a directory of 100,000 entries, a database that is made and asked.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$top/tests/images/build.sh" postgres gcc
begin
begin_ordinary

# same WHAT LEAST IMAGE COMMAND…: in both; LEAST lines of output at least.
same() {
  local what=$1 least=$2 image=$3 ordinary lazy
  shift 3
  ordinary=$(run_image "$work/ordinary" "$image" -- "$@") || fail "$what, unpacked: $ordinary $(tail -n 3 "$work/cri.log")"
  lazy=$(run_image "$work/lazy" "$image" -- "$@") || fail "$what: $lazy $(tail -n 3 "$work/cri.log")"
  [[ $lazy == "$ordinary" ]] || fail "$what differs: $(diff <(echo "$ordinary") <(echo "$lazy") | head -n 20)"
  at_least "the lines that $what says in either" "$(wc -l <<<"$lazy")" "$least"
}

python=$(image_of python)
same "a program that reads in many ways" 25 "$python" python3 -c "$(<"$top/tests/e2e/fidelity.py")"
same "dpkg -V" 5 "$python" sh -c 'dpkg -V; echo end; dpkg -l | tail -n 20'
same "a compilation of the library" 2 "$python" sh -c \
  'PYTHONHASHSEED=0 python3 -m compileall -q -f --invalidation-mode unchecked-hash -s /usr -d /copy /usr/lib/python3.11/json /usr/lib/python3.11/email;
   find /usr/lib/python3.11/json /usr/lib/python3.11/email -name "*.pyc" | sort | xargs sha256sum'
same "a list of everything" 5000 "$python" sh -c 'cd / && find usr odd var srv opt -xdev -type d -printf "%p %m %U:%G %T@\n" | sort
  find usr odd var srv opt -xdev ! -type d -printf "%p %y %m %U:%G %T@ %n %s %l\n" | sort'
# shellcheck disable=SC2016  # the container's shell is to expand it
same "the sum of every file" 5 "$python" sh -c \
  'cd / && for top in usr odd var srv opt; do find "$top" -xdev -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum; done'

gcc=$(image_of gcc)
# shellcheck disable=SC2016  # the container's shell is to expand it
same "a compiler" 4 "$gcc" sh -c 'cd /srv
  printf "#include <math.h>\n#include <stdio.h>\nint main(void) { for (int i = 1; i < 4; ++i) { printf(\"%%.3f\", sqrt(i)); puts(\"\"); } }\n" >root.c
  gcc -O2 -Wall -o root root.c -lm && ./root && gcc -O2 -S -o - root.c | sha256sum'
# shellcheck disable=SC2016  # the container's shell is to expand it
same "a package that comes and goes" 8 "$gcc" sh -c 'mkdir -p /srv/p/DEBIAN /srv/p/usr/bin && cd /srv
  printf "Package: hello-samara\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: test\n" >p/DEBIAN/control
  printf "#!/bin/sh\necho hello\n" >p/usr/bin/hello-samara && chmod 755 p/usr/bin/hello-samara && dpkg-deb -b p hello.deb
  apt="apt-get -o APT::Sandbox::User=root -y"
  $apt install ./hello.deb 2>&1 | grep -e "^Setting up" -e "^E:" ; hello-samara; dpkg -V hello-samara; dpkg -s hello-samara | head -n 2
  $apt remove hello-samara 2>&1 | grep -e "^Removing" -e "^E:"; test ! -e /usr/bin/hello-samara && echo gone; dpkg --audit; apt-get check 2>&1; sha256sum /var/lib/dpkg/status'
same "a large directory" 6 "$gcc" sh -c 'cd /srv/many; ls -U | wc -l; ls -U >/one; ls -U | cmp - /one && echo the same order; ls | tail -n 1
  stat -c "%n %s %Y %A" entry-050000; find . -name "entry-0777*" | wc -l; rm entry-000001 && touch another && ls -U | wc -l; ls | sha256sum'

# The cluster that initdb makes is new each time; what a query says of it isn't.
# shellcheck disable=SC2016  # the container's shell is to expand it
same "a database" 3 "$(image_of postgres)" sh -c '
  bin=/usr/lib/postgresql/15/bin; mkdir /srv/db; chown postgres /srv/db
  su postgres -c "$bin/initdb -D /srv/db --no-sync >/dev/null && $bin/pg_ctl -D /srv/db -o \"-c listen_addresses= -c unix_socket_directories=/tmp\" -w -l /srv/db/log start >/dev/null"
  su postgres -c "$bin/psql -h /tmp -c \"create table t as select n, md5(n::text) m from generate_series(1, 20000) n\" -c \"create index on t (m)\" -Atc \"select count(*), min(m), max(m) from t\""
  su postgres -c "$bin/pg_ctl -D /srv/db -m fast -w stop"'
equal "the reads that failed" "$(node_metric "$work/lazy" samara_fuse_read_errors_total)" 0
