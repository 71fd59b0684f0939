"""The main job, as a visitor does it: form, Create, Connect, a key that the
guest shows, the tab closed and opened again, Stop, and nothing left."""
# lane: guests

import re
import unittest

from harness import (
    BLINK,
    HOME,
    Browser,
    Site,
    Vnc,
    eventually,
    html_problems,
    pictures_differ,
    wait_for_prompt,
)


def canvas(browser):
    """noVNC's canvas once it shows a whole screen; its place on the page."""
    browser.one("canvas", 20)
    return browser.wait(
        lambda: browser.run(
            """const c = document.querySelector("canvas");
               if (!c || c.width < 640) return null;
               const r = c.getBoundingClientRect();
               return {x: r.x, y: r.y, width: r.width, height: r.height,
                       full: c.width + "x" + c.height};"""
        ),
        20,
        "a screen on noVNC's canvas",
    )


def shown(browser):
    """What the visitor sees of the screen."""
    place = canvas(browser)
    box = (place["x"], place["y"], place["x"] + place["width"], place["y"] + place["height"])
    return browser.screenshot().crop([round(side) for side in box])


class TheMainJob(unittest.TestCase):
    def test_from_the_form_to_the_guests_pixels_and_back(self):
        # Shown at scale 1, the picture is the guest's own, pixel for pixel.
        with Site(qmp=True) as site, Browser(width=1400, height=1000) as browser:
            browser.get(site.url + HOME)
            browser.fill(user="ann", machine="tiny.iso", cpu="1")
            browser.save("form")
            browser.press("create")
            browser.wait(lambda: "?session=" in browser.url, what="the session page")
            name = re.search(r"session=([a-z0-9-]+)", browser.url).group(1)
            browser.wait(
                lambda: browser.one("h1").text == "Your desktop is ready", 60, "ready"
            )
            self.assertTrue(browser.one(".qr img").get_attribute("src").startswith("data:"))
            browser.save("session")
            page = browser.url
            said = [line for line in browser.console() if "chrome://" not in line]
            self.assertEqual(said, [])

            link = browser.one("#connect").get_attribute("href")
            self.assertTrue(link.startswith(site.url + "/"), link)
            self.assertNotIn("token", link.partition("#")[0])
            browser.one("#connect").click()
            eventually(lambda: len(browser.driver.window_handles) == 2, 10, "a new tab")
            browser.driver.switch_to.window(browser.driver.window_handles[1])
            browser._emulate()
            canvas(browser)

            before = wait_for_prompt(lambda: site.screendump(name))
            self.settle_at_scale_1(browser)
            self.same_picture(browser, before)
            browser.save("desktop-before")

            browser.one("canvas").click()
            browser.type("echo seen in the guest")
            after = wait_for_prompt(lambda: site.screendump(name), unlike=before)
            self.same_picture(browser, after)
            browser.save("desktop-after")

            # The tab is closed; the machine stays, and there is only one.
            browser.driver.close()
            browser.driver.switch_to.window(browser.driver.window_handles[0])
            browser.driver.refresh()
            self.assertEqual(browser.url, page)
            self.assertEqual(site.process("owner").pid, site.process("owner", name).pid)

            browser.one("#stop").click()
            browser.one("#stop-dialog[open] .button-danger").click()
            browser.wait(
                lambda: browser.one("#live").get_attribute("data-state") == "ended",
                40,
                "the end",
            )
            self.assertIn("Stopped by its user", browser.text())
            self.assertEqual(site.overlays(name), [])
            self.assertFalse(site.session_dir(name).exists())
            self.assertNotIn(name, (site.store / "gateway/tokens").read_text())
            eventually(lambda: not site.processes(name), 5, "its owner's end")

    def settle_at_scale_1(self, browser):
        """Switch noVNC's scaling off, as its settings panel does, so that one
        pixel of the guest is one of the page."""
        browser.run(
            """document.getElementById("noVNC_setting_resize").value = "off";
               document.getElementById("noVNC_setting_resize")
                       .dispatchEvent(new Event("change"));"""
        )
        browser.wait(
            lambda: (lambda p: f"{p['width']:.0f}x{p['height']:.0f}" == p["full"])(
                canvas(browser)
            ),
            10,
            "scale 1",
        )

    def same_picture(self, browser, expected):
        """The page shows `expected`, but for the cursor that blinks and the
        pointer that noVNC draws."""
        differing = []

        def same():
            picture = shown(browser)
            if picture.size != expected.size:
                differing.append(picture.size)
                return False
            differing.append(pictures_differ(picture, expected))
            return differing[-1] <= BLINK

        eventually(same, 15, f"the same picture ({differing[-3:]})", pause=0.3)


class WithoutScripts(unittest.TestCase):
    def test_everything_works_by_links_and_buttons_alone(self):
        with Site() as site, Browser(javascript=False, phone=True) as browser:
            browser.get(site.url + HOME)
            browser.fill(user="ann")
            browser.press("create")
            # The page refreshes itself until the machine runs.
            browser.wait(
                lambda: browser.one("h1").text == "Your desktop is ready", 60, "ready"
            )
            self.assertTrue(browser.one("#connect").get_attribute("href"))
            self.assertFalse(browser.one("#copy").is_displayed(), "scripts run")
            browser.save("session-phone")
            browser.one("#stop").click()
            browser.one("#confirm .button-danger").click()
            browser.wait(
                lambda: browser.one("#live").get_attribute("data-state") == "ended",
                40,
                "the end",
            )

    def test_manage_lists_and_stops(self):
        with Site() as site, Browser(javascript=False) as browser:
            name = site.running(user="ann")["name"]
            browser.get(site.url + HOME)
            browser.fill(user="ann")
            browser.press("manage")
            browser.wait(lambda: "manage=1" in browser.url, what="the list")
            browser.wait(lambda: "Tiny Linux" in browser.text(), what="the machine")
            browser.save("manage")
            page = site.get("/cgi-bin/qemu-web-desktop?manage=1", accept="html")
            self.assertEqual(html_problems(page.text), [])
            self.assertTrue(browser.all(f'a[href*="{name}"]'))


class ByKeyboardAlone(unittest.TestCase):
    def test_a_machine_is_made_by_tab_type_and_enter(self):
        with Site() as site, Browser() as browser:
            browser.get(site.url + HOME)
            for _ in range(30):
                browser.type("\ue004")
                focus = browser.run("return document.activeElement.id")
                if focus == "user":
                    break
            self.assertEqual(focus, "user")
            browser.type("ann\ue007")
            browser.wait(
                lambda: browser.one("h1").text == "Your desktop is ready", 60, "ready"
            )


class TwoViewers(unittest.TestCase):
    def test_both_see_the_same_screen(self):
        with Site() as site:
            session = site.running()
            token = site.token(session)
            with Vnc(site.websocket(token)) as one, Vnc(site.websocket(token)) as other:
                one.type("echo shared")

                def same():
                    return pictures_differ(one.screen(), other.screen()) <= BLINK

                eventually(same, 20, "the same screen for both")


if __name__ == "__main__":
    unittest.main(verbosity=2)
