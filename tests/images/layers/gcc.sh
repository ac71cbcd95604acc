# A compiler with what it needs, and a directory with more entries than anybody lists in one go.
apt-get install -y --no-install-recommends gcc libc6-dev
mkdir /srv/many
seq -f '/srv/many/entry-%06.0f' 100000 | xargs touch -d '2024-01-02 03:04:05 UTC'
