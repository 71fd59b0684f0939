"""What the layout options change, and that the pages stay valid HTML."""

import unittest

from harness import CGI, HOME, Site, html_problems


class Layout(unittest.TestCase):
    def test_title_logo_and_colours_come_from_the_configuration(self):
        with Site(
            options={
                "layout_title": "Lakeside <Light> Source",
                "layout_logo": "/qemu-web-desktop/assets/favicon.svg",
                "layout_color_accent": "#663399",
            }
        ) as site:
            page = site.get(HOME, accept="html").text
            self.assertIn("Lakeside &lt;Light&gt; Source", page)
            self.assertNotIn("<Light>", page)
            self.assertIn('src="/qemu-web-desktop/assets/favicon.svg"', page)
            style = site.get(f"{CGI}?style=1", accept=None)
            self.assertIn("text/css", style.headers["Content-Type"])
            self.assertIn("#663399", style.text)

    def test_the_three_levels(self):
        with Site() as site:
            name = site.running()["name"]
            for level, hints, details, technical in (
                (0, False, False, False),
                (1, True, True, False),
                (2, True, True, True),
            ):
                with self.subTest(level):
                    site.configure(layout_level=level)
                    form = site.get(HOME, accept="html").text
                    page = site.get(f"{CGI}?session={name}", accept="html").text
                    self.assertEqual("Good to know" in form, hints)
                    self.assertEqual("<dt>Session</dt>" in page, details)
                    self.assertEqual("<dt>Accelerator</dt><dd>TCG</dd>" in page, technical)
                    self.assertEqual(html_problems(form), [])
                    self.assertEqual(html_problems(page), [])

    def test_every_page_is_valid_html(self):
        with Site() as site:
            name = site.running()["name"]
            for path in (
                HOME,
                f"{CGI}?session={name}",
                f"{CGI}?session={name}&confirm=stop",
                f"{CGI}?manage=1",
                f"{CGI}?terms=1",
                f"{CGI}?session=no-such-session",
            ):
                with self.subTest(path):
                    self.assertEqual(html_problems(site.get(path, accept="html").text), [])
            stranger = site.visitor().get(f"{CGI}?manage=1", accept="html")
            self.assertEqual(stranger.status, 401)
            self.assertEqual(html_problems(stranger.text), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
