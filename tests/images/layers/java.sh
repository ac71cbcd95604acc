# A JRE and a Java program of real size: Rhino, which runs JavaScript.
mkdir -p /usr/share/man/man1
apt-get install -y --no-install-recommends default-jre-headless rhino
cat >/srv/hello.js <<'JS'
print("java says " + [1, 2, 3, 4].map(function (n) { return n * n; }).join(" "));
JS
