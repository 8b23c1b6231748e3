#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that docs/privacy.md names tests that exist: every path below tests/, and every test
function (a name of four words or more) in one of the tests. A section that names none is a finding."""
import os
import re
import subprocess
import sys

PAGE = "docs/privacy.md"
SECTIONS_WITHOUT = {"What is claimed"}  # says what the others prove

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.chdir(root)
with open(PAGE, encoding="utf-8") as file:
    page = file.read()
tests = set()
for directory, _, names in os.walk("tests/unit"):
    for name in names:
        if name.endswith((".c", ".h")):
            with open(os.path.join(directory, name), encoding="utf-8") as file:
                tests.update(re.findall(r"^static void (\w+)\(void \*\*", file.read(), re.M))
with open("tests/sim/test_worlds.c", encoding="utf-8") as file:
    tests.update(re.findall(r"^static void (\w+)\(void \*\*", file.read(), re.M))

problems = []
n_named = 0
for section in re.split(r"^## ", page, flags=re.M)[1:]:
    title = section.split("\n", 1)[0]
    paths = re.findall(r"\btests/[\w./]+\w", section)
    files = re.findall(r"`(test_\w+\.c)`", section)
    names = set(re.findall(r"(?<![\w/.`])[a-z0-9]+(?:_[a-z0-9]+){3,}(?![\w.(])", section))
    for path in paths:
        if not os.path.exists(path):
            problems.append(f"{title}: there is no {path}")
    for name in files:
        if not subprocess.run(["find", "tests", "-name", name], capture_output=True).stdout:
            problems.append(f"{title}: there is no {name}")
    for name in sorted(names - tests):
        problems.append(f"{title}: there is no test {name}")
    n_named += len(names)
    if not names and not paths and title not in SECTIONS_WITHOUT:
        problems.append(f"{title}: names no test")
for problem in problems:
    print(f"{PAGE}: {problem}")
print(f"{n_named} tests are named by {PAGE}, {len(problems)} findings")
sys.exit(1 if problems else 0)
