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
                "layout_color_accent_text": "#fafafa",
                "layout_color_header": "#102030",
                "layout_color_header_text": "#f0f1f2",
            }
        ) as site:
            page = site.get(HOME, accept="html").text
            self.assertIn("Lakeside &lt;Light&gt; Source", page)
            self.assertNotIn("<Light>", page)
            self.assertIn('src="/qemu-web-desktop/assets/favicon.svg"', page)
            style = site.get(f"{CGI}?style=1", accept=None)
            self.assertIn("text/css", style.headers["Content-Type"])
            for colour in ("#663399", "#fafafa", "#102030", "#f0f1f2"):
                self.assertIn(colour, style.text)

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


class OwnTemplates(unittest.TestCase):
    """dir_html_site"""

    TERMS = f"{CGI}?terms=1"

    def put(self, site, name, text):
        place = site.dir / "etc/html"
        place.mkdir(exist_ok=True)
        (place / name).write_text(text)

    def test_they_stand_in_for_the_shipped_ones(self):
        with Site() as site:
            self.put(site, "terms.html", "{{> _head}}<h1>Rules of {{site.service}}</h1>{{> _foot}}")
            page = site.get(self.TERMS, accept="html").text
            self.assertIn("<h1>Rules of qemu-web-desktop</h1>", page)
            self.assertIn("New desktop", page)  # the shipped head
            # A part of pages, for all of them.
            self.put(site, "_foot.html", "</main><p>Our own foot</p></body></html>")
            for path in (self.TERMS, HOME):
                self.assertIn("Our own foot", site.get(path, accept="html").text)
            self.put(site, "theme.css", "h1 { color: {{color_accent}}; }\n")
            self.assertEqual(
                site.get(f"{CGI}?style=1", accept=None).text, "h1 { color: #0b5cad; }\n"
            )
            told = site.qwdctl("check", check=False).stdout
            self.assertIn(f"ok: the site's templates in {site.dir}/etc/html\n", told)

    def test_one_that_is_broken_is_told_and_the_shipped_one_is_served(self):
        with Site() as site:
            shipped = site.get(self.TERMS, accept="html").text
            for text, message, checked in (
                ("\n{{#a}}", "terms.html:2: section a is not closed", True),
                ('<a onclick="{{site.title}}">x</a>', "terms.html:1: ", True),
                ("{{> _gone}}", "_gone.html", True),
                ("<p>\n\n{{nothing}}</p>", "terms.html:3: 'nothing' is unknown", True),
            ):
                with self.subTest(text):
                    self.put(site, "terms.html", text)
                    page = site.get(self.TERMS, accept="html")
                    self.assertEqual((page.status, page.text), (200, shipped))
                    self.assertIn("event=template ", site.error_log())
                    self.assertIn(message, site.error_log().replace('\\"', '"'))
                    done = site.qwdctl("check", check=False)
                    said = any(
                        line.startswith("error: template ") and message in line
                        for line in done.stdout.splitlines()
                    )
                    self.assertEqual(said, checked, done.stdout)

    def test_a_name_that_stands_in_for_none_is_told(self):
        with Site() as site:
            self.put(site, "manag.html", "<p>x</p>")
            told = site.qwdctl("check", check=False).stdout
            self.assertRegex(told, "note: template .*/manag.html stands in for none; ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
