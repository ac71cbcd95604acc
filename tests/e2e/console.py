#!/usr/bin/env python3
"""The page of a site, in a browser: read-only and with a token, by the keyboard, light, dark and on a phone.

usage: console.py READ_ONLY_URL TOKEN_URL TOKEN JOB DIRECTORY_FOR_PICTURES
"""
import sys
import tempfile

from browser import Browser

READY = "(state => state !== null && state.textContent.startsWith('as of'))(document.getElementById('state'))"
# The contrast of every text with what is behind it (WCAG 2.1 §1.4.3), the least of them.
CONTRAST = """(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => { for (; node; node = node.parentElement) { const c = getComputedStyle(node).backgroundColor; if (parts(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
  let least = [99, ''];
  for (const node of document.body.querySelectorAll('*')) {
    if (![...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()) || node.closest('.skip, script')) continue;
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least[0]) least = [ratio, node.tagName + ' ' + node.textContent.slice(0, 40)];
  }
  return least;
})()"""
FOCUS = "(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || document.activeElement.id).trim()"


def check(what, holds):
    if not holds:
        raise SystemExit(f"FAILED: {what}")
    print(f"ok: {what}")


def read_only(browser, url, job, pictures):
    for name, width, scheme in (("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light"), ("phone-dark", 390, "dark")):
        browser.look_at(url, width=width, height=2200 if width < 500 else 1500, scheme=scheme, phone=width < 500)
        browser.wait_for(f"{name}: the page has been told", READY)
        browser.wait_for(f"{name}: a job and its nodes", f"document.body.innerText.includes('{job}') && document.body.innerText.includes('node-11')")
        least, where = browser.run(CONTRAST)
        check(f"{name}: text is readable, {least:.1f} at least ({where})", least >= 4.5)
        check(f"{name}: nothing is wider than the screen", browser.run("document.documentElement.scrollWidth <= innerWidth"))
        browser.picture(f"{pictures}/{name}.png")
    text = browser.run("document.body.innerText")
    check("start-up times are shown", "420 ms, 1.3 s at most (3)" in text)
    check("slow reads are shown", "2, 37 ms at most" in text)
    check("without a token there is no button", browser.run("document.querySelectorAll('button').length") == 0)
    status = browser.run(f"fetch('../samara/v1/fleet/jobs/{job}/cancel', {{method: 'POST', headers: {{'Samara-Console': '1'}}}}).then(a => a.status)")
    check("what the page itself may not do without a token", status == 403)
    browser.complaints = [each for each in browser.complaints if "/cancel" not in each]  # that one


def by_keyboard(browser, url, job):
    browser.look_at(url)
    browser.wait_for("a page for the keyboard", READY)
    browser.press("Tab")
    check("the first stop skips to the content", browser.run(FOCUS) == "Skip to content")
    browser.press("Enter")
    check("it does", browser.run("location.hash") == "#main")
    for _ in range(60):
        browser.press("Tab")
        if browser.run(FOCUS) == f"cancel {job}":
            break
    check("a job's button is reached by Tab", browser.run(FOCUS) == f"cancel {job}")
    check("it can be seen where the focus is", browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid")
    asked = browser.run("document.getElementById('state').textContent")
    browser.wait_for("the page is told anew", f"document.getElementById('state').textContent !== {asked!r} && {READY}")
    check("and the focus stays", browser.run(FOCUS) == f"cancel {job}")
    browser.press("Enter")
    browser.wait_for("the job is cancelled", f"document.querySelector('[aria-label=\"resume {job}\"]') !== null")
    browser.run(f"document.querySelector('[aria-label=\"resume {job}\"]').focus()")
    browser.press(" ")
    browser.wait_for("the job goes on", f"document.querySelector('[aria-label=\"cancel {job}\"]') !== null")


def selector(browser):
    browser.run("document.getElementById('selector').focus()")
    browser.type("name=node-1*")
    browser.wait_for("a selector shows what it means", "(t => t.includes('node-11') && !t.includes('node-2'))(document.getElementById('nodes').innerText)")
    browser.type(",=")
    browser.wait_for("one that isn't is told", "document.getElementById('selector-error').textContent !== ''")
    browser.complaints = [each for each in browser.complaints if "selector=" not in each]  # that one


def main(url, token_url, token, job, pictures):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        browser = Browser(directory)
        try:
            read_only(browser, url, job, pictures)
            selector(browser)
            browser.log_in_with(token)
            by_keyboard(browser, token_url, job)
            check(f"the browser has nothing to complain about: {browser.complaints}", not [c for c in browser.complaints if "401" not in c])
        finally:
            browser.close()


main(*sys.argv[1:])
