"""What the checks share: finding C files and layers, code without comments and texts, and functions in it."""
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
C_FOLDERS = ("include", "src", "tests", "fuzz", "bench", "examples")


def c_files(*folders, endings=(".c", ".h")):
    """Paths below the root, sorted; all folders that hold C when none is named."""
    found = []
    for folder in folders or C_FOLDERS:
        for where, _, names in os.walk(os.path.join(ROOT, folder)):
            found += [os.path.relpath(os.path.join(where, name), ROOT) for name in names if name.endswith(endings)]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def layers():
    """{layer: set of layers it may include}, from src/LAYERS, in its order."""
    table = {}
    for line in read("src/LAYERS").splitlines():
        name, _, allowed = line.partition(":")
        table[name.strip()] = set(allowed.split())
    return table


def layer_of(path):
    """The layer of a path such as src/math/kernels.c; '' outside src."""
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) > 2 else ""


_PIECE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep_strings=False):
    """The text with comments (and texts, unless kept) blanked out; places and lines stay."""
    def wipe(match):
        piece = match.group(0)
        if piece[0] == '"' and keep_strings:
            return piece
        return re.sub(r"[^\n]", " ", piece)
    return _PIECE.sub(wipe, text)


def functions(text):
    """(name, line of the opening brace, number of lines) of each function, in a file that clang-format has laid out."""
    lines = blank(text).splitlines()
    opened, found = 0, []
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            head = " ".join(lines[max(0, number - 8):number - 1])
            names = re.findall(r"(\w+)\s*\(", head[max(head.rfind(";"), head.rfind("}")) + 1:])
            opened = number
            name = names[0] if names else "?"
        elif line.startswith("}") and opened:
            found.append((name, opened, number - opened - 1))
            opened = 0
    return found


def excused(lines, number, check):
    """True where the line, or the one before it, says `NOLINT(check): reason`."""
    pattern = re.compile(r"NOLINT\(" + check + r"\): \S")
    return any(pattern.search(line) for line in lines[max(0, number - 2):number])
