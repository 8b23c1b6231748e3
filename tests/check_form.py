#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks of form: layout, budgets, dependency directions, forbidden calls, headers that compile
alone. Prints one line per finding and exits 1 when there is any."""
import os
import re
import subprocess
import sys

MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS, MAX_NESTING = 500, 60, 6, 3

# What the files of a directory may include from the project, longest prefix first.
MAY = {
    "common/base": ["common/base"],
    "common/tensor": ["common/base", "common/tensor"],
    "common/plan": ["common/base", "common/plan"],
    "common/nn": ["common/base", "common/tensor", "common/plan", "common/nn"],
    "common/secagg": ["common/base", "common/secagg"],
    "common/dp": ["common/base", "common/dp"],
    "common/data": ["common/base", "common/data"],
    "common/wire": ["common/base", "common/plan", "common/secagg", "common/wire", "proto"],
    "client/demo": ["common/base", "common/data", "client/demo", "mien/client.h", "mien/status.h"],
    "client": ["common", "client", "mien"],
    "server": ["common", "server", "proto"],
    "tests": ["common", "client", "server", "tests", "proto", "mien"],
}
# Library headers and the only places that may include them.
ONLY = {
    "uv.h": ["server/shell", "server/main.c", "server/tools", "client/demo", "tests"],
    "png.h": ["common/data"],
    "jpeglib.h": ["common/data"],
    "sqlite3.h": ["server/store", "tests"],
}
FORBIDDEN = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|free|strdup|rand|srand|random|strcpy|strcat|sprintf|vsprintf|"
    r"gets|atoi|atol|atof|strtok|alloca|system|abort|exit)\s*\(")
FORBIDDEN_MAY = ("common/base/mem.c", "tests/")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d)")
PATHS = re.compile(r"/(work|farm|root)/")
problems = []


def note(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def files():
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout
    return [f for f in listed.split("\n") if f and os.path.exists(f)]


def place(path):
    for prefix in sorted(MAY, key=len, reverse=True):
        if path.startswith(prefix + "/"):
            return prefix
    return None


def check_includes(path, number, line):
    local = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
    system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
    where = place(path)
    if local and where:
        name = local.group(1)
        generated = name.endswith(".pb-c.h")
        beside = where == "tests" and os.path.exists(os.path.join(os.path.dirname(path), name))
        if generated and not path.startswith(("common/wire/", "server/store/", "server/tools/onnx/", "tests/")):
            note(path, number, f"generated protobuf types stay in common/wire: {name}")
        if not generated and not beside and not any(name.startswith(p) for p in MAY[where]):
            note(path, number, f"{where} may not know {name}")
    if system and system.group(1) in ONLY:
        if not path.startswith(tuple(ONLY[system.group(1)])):
            note(path, number, f"<{system.group(1)}> only in {', '.join(ONLY[system.group(1)])}")


def check_conditionals(path, lines):
    if path.startswith("common/base/"):
        return
    seen = 0
    for number, line in enumerate(lines, 1):
        if not re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line):
            continue
        seen += 1
        guard = path.endswith(".h") and seen == 1 and line.startswith("#ifndef MIEN_")
        if not guard and "__cplusplus" not in line:
            note(path, number, "#if outside common/base")


def strip_comments(lines):
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), "\n".join(lines), flags=re.S)
    return [re.sub(r"//.*", "", l) for l in text.split("\n")]


def check_functions(path, lines):
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start is not None:
            if number - start + 1 > MAX_FUNCTION:
                note(path, start, f"a function of {number - start + 1} lines, above {MAX_FUNCTION}")
            start = None
        if start and re.match(r"\s*(\} )?(if|for|while|switch|do|else)\b", line):
            depth = (len(line) - len(line.lstrip())) // 4
            if depth > MAX_NESTING:
                note(path, number, f"nesting of {depth}, above {MAX_NESTING}")
    text = "\n".join(lines)
    for match in re.finditer(r"^(?!#)[a-z][\w \*]*?\b(\w+)\(([^;{}]*?)\)\n\{", text, re.M):
        parameters = re.sub(r"\([^()]*\)", "", match.group(2))
        if parameters.count(",") + 1 > MAX_PARAMETERS:
            note(path, text.count("\n", 0, match.start()) + 1,
                 f"{match.group(1)} has more than {MAX_PARAMETERS} parameters")


def check_source(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    if len(lines) - 1 > MAX_FILE:
        note(path, MAX_FILE, f"{len(lines) - 1} lines, above {MAX_FILE}")
    if path.endswith(".c") and not lines[0].startswith("// SPDX-License-Identifier: Apache-2.0"):
        note(path, 1, "the first line is not the SPDX line")
    code = strip_comments(lines)
    for number, line in enumerate(code, 1):
        check_includes(path, number, line)
        call = FORBIDDEN.search(re.sub(r'"(\\.|[^"\\])*"', '""', line))
        if call and not path.startswith(FORBIDDEN_MAY):
            note(path, number, f"{call.group(1)}() is forbidden")
    check_conditionals(path, code)
    check_functions(path, code)


def check_text(path):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except UnicodeDecodeError:
        return
    for number, line in enumerate(text.split("\n"), 1):
        if MARKS.search(line) and path != "tests/check_form.py":
            note(path, number, "an unfinished mark without an issue number")
        if PATHS.search(line) and path != "tests/check_form.py":
            note(path, number, "a machine path")


def check_layout(sources):
    for i in range(0, len(sources), 50):
        run = subprocess.run(["clang-format", "--dry-run", "-Werror"] + sources[i:i + 50],
                             capture_output=True, text=True)
        for line in run.stderr.split("\n"):
            if "error:" in line:
                problems.append(line)


def check_headers(headers):
    flags = ["-std=c17", "-Wall", "-Wextra", "-Werror", "-D_POSIX_C_SOURCE=200809L", "-I.",
             "-Iclient/include", "-I" + build_dir() + "/plain/client/include", "-fsyntax-only", "-x",
             "c", "-"]
    for path in headers:
        run = subprocess.run(["gcc"] + flags, input=f'#include "{path}"\n', capture_output=True, text=True)
        if run.returncode != 0:
            note(path, 1, "does not compile alone: " + run.stderr.split("\n")[0])


def build_dir():
    return os.environ.get("MIEN_BUILD_DIR", "build")


def check_noise_path():
    """The noise path reaches no seeded generator: its objects name none."""
    archive = os.path.join(build_dir(), "plain/common/dp/libmien_dp.a")
    if not os.path.exists(archive):
        note(archive, 1, "not built: run tests/run.sh first")
        return
    symbols = subprocess.run(["nm", archive], capture_output=True, text=True, check=True).stdout
    if "mien_noise_draw" not in symbols:
        note(archive, 1, "the noise sampler is not in it")
    if "rng_seeded" in symbols:
        note(archive, 1, "the noise path reaches the seeded generator")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    tracked = files()
    sources = [f for f in tracked if f.endswith((".c", ".h"))]
    for path in sources:
        check_source(path)
    for path in tracked:
        check_text(path)
    check_layout(sources)
    check_headers([f for f in sources if f.endswith(".h")])
    check_noise_path()
    print("\n".join(problems[:200]))
    print(f"{len(sources)} sources, {len(problems)} findings")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
