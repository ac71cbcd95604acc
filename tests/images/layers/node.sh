# nodejs and a small program.
apt-get install -y --no-install-recommends nodejs
cat >/srv/hello.js <<'JS'
const crypto = require("crypto");
console.log("node says " + crypto.createHash("sha256").update("samara").digest("hex").slice(0, 8));
JS
