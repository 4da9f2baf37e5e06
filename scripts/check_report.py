#!/usr/bin/env python3
"""Opens pages in headless Chromium at 1280 and 390 pixels, light and dark, and on paper: each must lie within the window, ask for nothing on the network and
leave no error in the console.

    python3 scripts/check_report.py report.html... [--shots DIR]

--shots writes a PNG of each. Exit code 1 if a page fails, 77 if there is no Chromium. It needs Python 3.9 and nothing else.
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WINDOWS = [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")]
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"]
NO_BROWSER = 77
# Elements that scroll by themselves may be wider than the window; what holds them may not.
OVERFLOW = """
(() => {
  const wide = [];
  for (const e of document.body.querySelectorAll('*')) {
    const box = e.getBoundingClientRect();
    if (box.right <= innerWidth + 1 || box.width === 0 || e.closest('.skip')) continue;
    let scrolls = false;
    for (let p = e.parentElement; p; p = p.parentElement)
      if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) scrolls = true;
    if (!scrolls) wide.push(e.tagName + '.' + e.getAttribute('class'));
  }
  return [document.documentElement.scrollWidth - innerWidth, wide.slice(0, 5), [...document.images].filter(i => !i.complete && i.loading !== 'lazy').length];
})()
"""


class Browser:
    """Chromium's DevTools protocol over a pair of pipes."""

    def __init__(self, program, profile):
        to_browser, self.write = os.pipe()
        self.read, from_browser = os.pipe()

        def pipes():
            # Which the protocol has at 3 and 4. They are moved out of the way first.
            a, b = os.dup(to_browser), os.dup(from_browser)
            a, b = os.dup2(a, 40), os.dup2(b, 41)
            os.dup2(a, 3), os.dup2(b, 4)

        self.process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
             "--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            preexec_fn=pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser), os.close(from_browser)
        self.buffer, self.number, self.events = b"", 0, []

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.read, 1 << 16)
            if not data:
                raise SystemExit("Chromium ended before it answered")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def close(self):
        self.process.kill()
        self.process.wait()


def check(browser, page, width, scheme, shots):
    """What is wrong with a page, a line each."""
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ["Page", "Network", "Runtime", "Log"]:
        browser.call(f"{domain}.enable", session)
    browser.call("Emulation.setDeviceMetricsOverride", session, width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    browser.call("Emulation.setEmulatedMedia", session, features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.events.clear()
    address = page.resolve().as_uri()
    browser.call("Page.navigate", session, url=address)
    browser.wait_for("Page.loadEventFired")
    value = browser.call("Runtime.evaluate", session, expression=OVERFLOW, returnByValue=True)
    over, wide, missing = value["result"]["value"]
    faults = []
    if over > 0:
        faults.append(f"{over} pixels wider than the window: {', '.join(wide)}")
    if missing:
        faults.append(f"{missing} images are not there")
    for event in browser.events:
        params = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if url != address and not url.startswith("data:"):
                faults.append(f"asks for {url}")
        elif event.get("method") == "Runtime.exceptionThrown":
            faults.append(f"script error: {params['exceptionDetails']['text']}")
        elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            faults.append(f"console: {params['entry']['text']}")
        elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            faults.append(f"console: {params['args']}")
    if shots:
        height = browser.call("Runtime.evaluate", session, expression="document.documentElement.scrollHeight")["result"]["value"]
        shot = browser.call("Page.captureScreenshot", session, captureBeyondViewport=True,
                            clip={"x": 0, "y": 0, "width": width, "height": min(height, 16000), "scale": 1})
        (shots / f"{page.stem}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
    if (width, scheme) == WINDOWS[0]:
        paper = base64.b64decode(browser.call("Page.printToPDF", session, preferCSSPageSize=True)["data"])
        if not paper.startswith(b"%PDF"):
            faults.append("cannot be printed")
        if shots:
            (shots / f"{page.stem}.pdf").write_bytes(paper)
    browser.call("Target.closeTarget", targetId=target)
    return [f"{page.name} at {width} pixels, {scheme}: {fault}" for fault in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path)
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"skipped: there is none of {', '.join(BROWSERS)}")
        return NO_BROWSER
    if args.shots:
        args.shots.mkdir(parents=True, exist_ok=True)
    faults = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(program, profile)
        try:
            for page in args.pages:
                for width, scheme in WINDOWS:
                    faults += check(browser, page, width, scheme, args.shots)
        finally:
            browser.close()
    print(*faults, f"{len(args.pages)} pages, {len(faults)} faults", sep="\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
