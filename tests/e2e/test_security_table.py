"""The table of requirements and tests, src/doc/security-tests.md, names tests
that exist, and has the rows of logins, cookies and pages."""

import ast
import re
import unittest

from harness import TREE

TABLE = (TREE / "src/doc/security-tests.md").read_text()


def methods(path):
    """CLASS.TEST of a file."""
    classes = {node.name: node for node in ast.parse(path.read_text()).body
               if isinstance(node, ast.ClassDef)}
    return {f"{name}.{item.name}" for name, node in classes.items() for item in node.body
            if isinstance(item, ast.FunctionDef) and item.name.startswith("test_")}


class TheTable(unittest.TestCase):
    def test_each_test_exists(self):
        named = re.findall(r"`(test_\w+\.(?:py|c))::([\w.]+)`", TABLE)
        self.assertGreater(len(named), 80)
        for file, test in named:
            with self.subTest(file=file, test=test):
                if file.endswith(".py"):
                    self.assertIn(test, methods(TREE / "tests/e2e" / file))
                else:
                    text = (TREE / "tests/unit" / file).read_text()
                    for pattern in (rf"static void\s{test}\(\s*void \*\*state\)",
                                    rf"(cmocka_unit_test\w*|T)\(\s*{test}\b"):
                        self.assertTrue(re.search(pattern, text), pattern)

    def test_the_rows_of_hostile_guests_images_and_scripts_are_all_there(self):
        rows = set(re.findall(r"^\| (\w+) \|", TABLE, re.M))
        wanted = {f"SR{n}" for n in range(22, 29)} | {
            "P3", "P5", "P12", "P21", "P22", "P27", "P34", "RR11"}
        self.assertEqual(wanted - rows, set())

    def test_the_rows_of_logins_cookies_and_pages_are_all_there(self):
        rows = set(re.findall(r"^\| (\w+) \|", TABLE, re.M))
        wanted = {f"SR{n}" for n in range(1, 20)} | {f"P{n}" for n in range(1, 24)} | {"P33"}
        self.assertEqual(wanted - rows, set())

    def test_the_rows_of_downloads_and_the_package_are_all_there(self):
        rows = set(re.findall(r"^\| (\w+) \|", TABLE, re.M))
        self.assertEqual({"SR30", "SR31", "SR32", "P29", "P30", "P31", "P32"} - rows, set())


class TheRowsOfCrashes(unittest.TestCase):
    def test_they_are_all_there(self):
        rows = set(re.findall(r"^\| (\w+) \|", TABLE, re.M))
        wanted = {f"RR{n}" for n in range(1, 19)} | {"SR20", "SR21"}
        wanted |= {f"P{n}" for n in (6, 7, 8, 9, 10, 18, 22, 24, 25, 26, 27, 28)}
        self.assertEqual(wanted - rows, set())

    def test_each_row_stands_once_and_in_its_place(self):
        for kind in ("SR", "P", "RR"):
            numbers = [int(n) for n in re.findall(rf"^\| {kind}(\d+) \|", TABLE, re.M)]
            self.assertEqual(numbers, sorted(set(numbers)), kind)


if __name__ == "__main__":
    unittest.main(verbosity=2)
