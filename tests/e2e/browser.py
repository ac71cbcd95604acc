"""A headless Chromium, driven by its DevTools protocol: what a person sees, types and presses."""
import base64
import json
import pathlib
import re
import subprocess
import time

import websocket  # Debian: python3-websocket

KEYS = {"Tab": 9, "Enter": 13, " ": 32}


class Browser:
    def __init__(self, directory):
        self.profile = pathlib.Path(directory)
        self.profile.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={self.profile}", "about:blank"],
            stderr=subprocess.PIPE, text=True, env={"HOME": str(self.profile), "PATH": "/usr/bin:/bin"})
        for line in self.process.stderr:
            found = re.search(r"ws://\S+", line)
            if found:
                break
        else:
            raise RuntimeError("chromium doesn't start")
        self.socket = websocket.create_connection(found.group(0), timeout=60)
        self.number, self.session, self.credentials, self.complaints = 0, None, None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(domain + ".enable")

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()

    def send(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        return self.number

    def ask(self, method, **params):
        number = self.send(method, **params)
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.notice(message.get("method"), message.get("params", {}))

    def notice(self, event, about):
        if event == "Fetch.requestPaused":
            self.send("Fetch.continueRequest", requestId=about["requestId"])
        elif event == "Fetch.authRequired":
            answer = {"response": "ProvideCredentials", "username": "me", "password": self.credentials}
            self.send("Fetch.continueWithAuth", requestId=about["requestId"], authChallengeResponse=answer)
        elif event == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.complaints.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(about["exceptionDetails"].get("exception", about["exceptionDetails"])))

    def log_in_with(self, token):
        """As somebody who types it into the browser's own dialogue."""
        self.credentials = token
        self.ask("Fetch.enable", handleAuthRequests=True, patterns=[{"urlPattern": "*"}])

    def look_at(self, url, width=1280, height=1400, scheme="light", phone=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Page.navigate", url=url)

    def run(self, script):
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, what, script, seconds=60):
        deadline = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > deadline:
                raise SystemExit(f"FAILED: {what}; the page: {self.run('document.body.innerText')[:1500]}")
        print(f"ok: {what}")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r" if key == "Enter" else key} if kind == "keyDown" and key != "Tab" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code={" ": "Space"}.get(key, key),
                     windowsVirtualKeyCode=KEYS[key], **text)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def picture(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))
