"""Every page as people have it: wide, on a telephone, in the dark, without
scripts, by keyboard.  Pictures of all of them are kept in build/check/e2e.

Contrast, size of targets and visible focus are measured in the browser (WCAG
2.2: 1.4.3, 1.4.10, 2.4.3, 2.4.7, 2.5.8).
"""

import os
import signal
import unittest

from harness import CGI, HOME, LONG, Browser, Site

LOGIN = """#!/bin/sh
read -r all
case $all in *wrong*) echo FAILED ;; *) echo SUCCESS ;; esac
"""
MANY = {"service_max_session_nb_per_user": 8, "service_max_cpu_fraction_nb_per_user": 8}

# Texts that are hard to read: [[text, colours, ratio]].
CONTRAST = r"""
const pen = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const parse = c => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = c; pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const over = (t, b) => [0, 1, 2].map(i => t[i] * t[3] + b[i] * (1 - t[3])).concat(1);
const light = c => { const l = c.slice(0, 3).map(v => (v /= 255) <= 0.04045 ?
  v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
const ground = e => { const stack = [];
  for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    stack.push(c); if (c[3] === 1) break; }
  const canvas = matchMedia('(prefers-color-scheme: dark)').matches ?
    [18, 18, 18, 1] : [255, 255, 255, 1];
  return stack.reverse().reduce((b, c) => over(c, b), canvas); };
const bad = [];
for (const e of document.querySelectorAll('body *')) {
  const text = [...e.childNodes].filter(n => n.nodeType === 3 &&
    n.data.trim()).map(n => n.data.trim()).join(' ');
  const box = e.getBoundingClientRect(), style = getComputedStyle(e);
  if (!text || box.width < 2 || box.height < 2 || box.bottom < 0 ||
      style.visibility !== 'visible' || e.closest('select, svg, noscript, script, style')) continue;
  const back = ground(e), a = light(over(parse(style.color), back)), b = light(back);
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) bad.push([text.slice(0, 40), style.color, back.join(), ratio]);
}
return bad;
"""

# What can be pressed and is smaller than 24 pixels, unless it stands in a
# sentence or there is room around it.
SMALL = r"""
return [...document.querySelectorAll('a, button, input, select, summary')].filter(e => {
  const b = e.getBoundingClientRect();
  if (b.width < 2 || b.bottom < 0 || e.type === 'hidden') return false;
  const inline = getComputedStyle(e).display === 'inline' && e.closest('p, li, td, dd');
  return !inline && (b.height < 24 || b.width < 24);
}).map(e => e.outerHTML.slice(0, 80));
"""

# Boxes whose content sticks out.
TOO_NARROW = r"""
return [...document.querySelectorAll('.card, td')].filter(
  e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'table-cell')
  .map(e => e.outerHTML.slice(0, 80));
"""

# What stands in a list's column of labels, where rows are cards.
MISPLACED = r"""
return [...document.querySelectorAll('td[data-label]')].filter(
  td => getComputedStyle(td).display === 'grid').flatMap(td => {
    const edge = td.getBoundingClientRect().left +
      parseFloat(getComputedStyle(td).gridTemplateColumns);
    return [...td.children].filter(e => e.getBoundingClientRect().left < edge); })
  .map(e => e.outerHTML.slice(0, 80));
"""

# What the tabulator should stop at, in the page's order, as marks; not in the
# document, of which the page's script makes what the server says anew.
STOPS = r"""
let i = 0;
window.stops = new WeakMap();
return [...document.querySelectorAll('a[href], button, input, select, textarea, summary')]
  .filter(e => e.getClientRects().length && e.type !== 'hidden' && !e.disabled &&
               e.tabIndex >= 0 && !(e.closest('details:not([open])') && e.tagName !== 'SUMMARY'))
  .map(e => (window.stops.set(e, String(i)), String(i++)));
"""

FOCUS = r"""
const e = document.activeElement, s = getComputedStyle(e);
const seen = (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2);
const b = e.getBoundingClientRect();
return [window.stops.get(e) || '', seen, b.bottom > 0 && b.top < innerHeight, e.outerHTML.slice(0, 80)];
"""


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(options=MANY)
        cls.site.__enter__()
        cls.addClassCleanup(lambda: cls.site.__exit__(None, None, None))
        cls.make_sessions()

    @classmethod
    def make_sessions(cls):
        site = cls.site
        program = site.dir / "etc/login"
        program.write_text(LOGIN)
        program.chmod(0o755)
        site.configure(
            check_user_custom=program, user_admin="carla", form_oneshot="yes", layout_level=2
        )
        client = site.client
        client.post_form({"user": "carla", "password": "x", "manage": "1"})
        names = [client.create(user=None)["name"] for _ in range(3)]
        for name in names:
            client.wait_state(name, "running")
        os.kill(site.process("qemu", names[0]).pid, signal.SIGKILL)
        client.wait_state(names[0], "failed")
        client.post_form({"session_stop": names[1], "now": "1"})
        client.wait_state(names[1], "ended")
        cls.pages = {
            "form": HOME,
            "manage": f"{CGI}?manage=1",
            "host": f"{CGI}?host=1",
            "session": f"{CGI}?session={names[2]}",
            "session-stop": f"{CGI}?session={names[2]}&confirm=stop",
            "session-failed": f"{CGI}?session={names[0]}",
            "session-ended": f"{CGI}?session={names[1]}",
            "terms": f"{CGI}?terms=1",
            "not-found": f"{CGI}?session=qemu-web-desktop-{'a' * 20}",
            "error": f"{CGI}?create=1",
        }

    def log_in(self, browser):
        browser.get(f"{self.site.url}{CGI}?manage=1")
        browser.fill(user="carla", password="x")
        browser.press("manage")
        browser.wait(lambda: "All sessions" in browser.text(), 10, "the list")

    def look_at_all(self, kind, **options):
        """Each page, after it has loaded; first as a stranger."""
        with Browser(**options) as browser:
            for name, path in (("stranger-form", HOME), ("login", f"{CGI}?manage=1")):
                browser.get(self.site.url + path)
                self.keep(browser, kind, name)
                yield name, browser
            browser.fill(user="carla", password="wrong")
            browser.press("manage")
            browser.wait(lambda: "did not work" in browser.text(), 10, "the refusal")
            self.keep(browser, kind, "login-refused")
            yield "login-refused", browser
            self.log_in(browser)
            for name, path in self.pages.items():
                browser.get(self.site.url + path)
                self.keep(browser, kind, name)
                yield name, browser

    def keep(self, browser, kind, name):
        """A picture of the whole page."""
        width = browser.size[0]
        height = browser.run("return document.documentElement.scrollHeight")
        metrics = {"width": width, "height": max(height, 300), "deviceScaleFactor": 1}
        browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", metrics | {"mobile": browser.phone}
        )
        browser.save(f"page-{kind}-{name}")
        browser._emulate()

    def check(self, browser, name):
        with self.subTest(name):
            self.assertEqual(browser.run(CONTRAST), [])
            self.assertEqual(browser.run(SMALL), [])
            self.assertEqual(browser.run(MISPLACED), [])
            self.assertEqual(browser.run(TOO_NARROW), [])
            for button in browser.all("form button"):
                if "Extend" in button.text:
                    self.assertRegex(button.text, r"^Extend to \d")
            wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
            self.assertLessEqual(wide[0], wide[1])

    def test_wide_and_light(self):
        for name, browser in self.look_at_all("wide"):
            self.check(browser, name)
            if name == "manage":
                self.assertRegex(browser.text(), r"Extend to \d")

    def test_wide_and_dark(self):
        for name, browser in self.look_at_all("dark", dark=True):
            self.check(browser, name)

    def test_on_a_telephone(self):
        for name, browser in self.look_at_all("phone", phone=True):
            self.check(browser, name)

    @unittest.skipUnless(LONG, "the wide and the dark pages are looked at anyway")
    def test_on_a_telephone_in_the_dark(self):
        for name, browser in self.look_at_all("phone-dark", phone=True, dark=True):
            self.check(browser, name)

    def test_without_scripts(self):
        with Browser(javascript=False) as browser:
            self.log_in(browser)
            for name in ("form", "session", "session-stop", "manage", "host"):
                browser.get(self.site.url + self.pages[name])
                self.keep(browser, "noscript", name)
                self.assertTrue(browser.all("h1"), name)

    def test_by_keyboard_in_the_pages_order_with_the_focus_in_sight(self):
        from selenium.webdriver.common.keys import Keys

        for name, browser in self.look_at_all("keyboard"):
            stops = browser.run(STOPS)
            with self.subTest(name):
                self.assertGreater(len(stops), 2)
                browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
                browser.run("document.body.tabIndex = -1; document.body.focus()")
                order = []
                for _ in stops:
                    browser.type(Keys.TAB)
                    stop, seen, inside, element = browser.run(FOCUS)
                    order.append(stop)
                    self.assertTrue(seen, f"no focus to be seen on {element}")
                    self.assertTrue(inside, f"out of sight: {element}")
                self.assertEqual(order, stops)


if __name__ == "__main__":
    unittest.main(verbosity=2)
