#!/usr/bin/env python3
"""What can be known of the Swift sources without a Swift compiler.

    check.py DIRECTORY LIBRARY      where the binding for Swift was written, and from what

Each check is one line; at the end the counts.
"""

import re
import subprocess
import sys
from pathlib import Path

import tree_sitter_kotlin
import tree_sitter_swift
from tree_sitter import Language, Parser

HERE = Path(__file__).resolve().parent
BINDING = Path(sys.argv[1])
LIBRARY = Path(sys.argv[2])
CORE = BINDING / "BinhYenCore.swift"
HEADER = BINDING / "BinhYenCoreFFI.h"
LAYER = sorted((HERE / "Sources" / "BinhYen").glob("*.swift"))
SWIFT_CLIENT = HERE / "Sources" / "BinhYen" / "PhoneClient.swift"
KOTLIN_CLIENT = HERE.parent / "kotlin" / "src" / "PhoneClient.kt"
# Properties in Kotlin and functions in Swift, so they are no calls of both.
STREAMS = {"changes", "standings"}


def tree(path_or_bytes, language=tree_sitter_swift):
    source = path_or_bytes
    if isinstance(path_or_bytes, Path):
        source = path_or_bytes.read_bytes()
        language = tree_sitter_kotlin if path_or_bytes.suffix == ".kt" else language
    # an attribute of the generator that the grammar does not know yet
    source = re.sub(rb"@_documentation\(visibility: private\)", lambda it: b" " * len(it[0]), source)
    return Parser(Language(language.language())).parse(source)


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def faults(parsed):
    return [
        f"line {node.start_point[0] + 1}: {node.text[:60]!r}"
        for node in walk(parsed.root_node)
        if node.type == "ERROR" or node.is_missing
    ]


def text(node):
    return node.text.decode()


def class_body(path, name):
    for node in walk(tree(path).root_node):
        if node.type == "class_declaration":
            named = [text(child) for child in node.children if "identifier" in child.type]
            if name in named:
                return next(child for child in node.children if child.type.endswith("class_body"))
    raise AssertionError(f"{path.name} has no {name}")


def swift_functions(path, name, publicly="open|public"):
    """Its public functions: name, and the labels of its arguments in order."""
    found = {}
    for node in class_body(path, name).children:
        if node.type != "function_declaration" or not re.match(publicly, text(node)):
            continue
        called = next(text(it) for it in node.children if it.type == "simple_identifier")
        labels = []
        for parameter in (it for it in node.children if it.type == "parameter"):
            names = [text(it) for it in parameter.children if it.type == "simple_identifier"]
            labels.append(names[0])
        found[called.strip("`")] = labels
    # what only the generator's own code calls
    return {name: labels for name, labels in found.items() if not name.startswith("uniffi")}


def kotlin_functions(path, name):
    found = {}
    body = class_body(path, name)
    inner = [
        child
        for node in body.children
        if node.type == "companion_object"
        for child in node.children
        if child.type == "class_body"
    ]
    for node in [*body.children, *(child for it in inner for child in it.children)]:
        if node.type != "function_declaration" or not re.search(r"\bpublic\b", text(node)):
            continue
        called = next(text(it) for it in node.children if "identifier" in it.type)
        given = next(it for it in node.children if it.type == "function_value_parameters")
        found[called] = [
            text(next(name for name in it.children if "identifier" in name.type))
            for it in given.children
            if it.type == "parameter"
        ]
    return found


def swift_calls(path):
    """Calls of the phone: name, and the labels that are given."""
    for node in walk(tree(path).root_node):
        if node.type != "call_expression":
            continue
        function, *rest = node.children
        called = re.match(r"(?:phone|Phone|(?:try )?opened\(\))\s*\.\s*(\w+)$", text(function))
        if called:
            arguments = [it for it in walk(rest[0]) if it.type == "value_arguments"][0]
            given = [it for it in arguments.children if it.type == "value_argument"]
            labels = [text(it).split(":")[0].strip() if ":" in text(it) else "" for it in given]
            yield node.start_point[0] + 1, called[1], labels


# --- the checks ------------------------------------------------------------------------------


def the_header_is_c_and_the_library_has_all_of_it():
    named = sorted(set(re.findall(r"\b((?:uniffi|ffi)_mobile_ffi_\w+)\(", HEADER.read_text())))
    assert len(named) >= 40, named
    program = BINDING / "header.c"
    rows = "".join(f"    (void (*)(void))&{name},\n" for name in named)
    lines = f'#include "{HEADER.name}"\nvoid (*const all[])(void) = {{\n{rows}}};\n'
    program.write_text(lines + "int main(void) { return all[0] == 0; }\n")
    # words of clang, which other compilers of C don't know
    without = ["-D_Nullable=", "-D_Nonnull="]
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", *without]
    subprocess.run(["cc", *flags, program, LIBRARY, "-o", BINDING / "header"], check=True)


def every_source_can_be_parsed():
    for path in [CORE, HERE / "Package.swift", *LAYER]:
        found = faults(tree(path))
        assert not found, f"{path.name}: {found[:5]}"
    assert len(LAYER) >= 5


def a_source_that_is_broken_would_be_noticed():
    for path in LAYER:
        source = path.read_bytes()
        at = source.rindex(b"}")
        assert faults(tree(source[:at] + source[at + 1 :])), path.name


def the_layer_calls_what_the_binding_has():
    known = swift_functions(CORE, "Phone")
    calls = list(swift_calls(SWIFT_CLIENT))
    assert len(calls) >= 25, calls
    for line, name, labels in calls:
        assert name in known, f"line {line}: the binding has no {name}"
        wanted = known[name]
        assert labels == wanted, f"line {line}: {name} takes {wanted}, not {labels}"


def no_call_of_the_phone_is_left_out():
    known = swift_functions(CORE, "Phone")
    swift = {name for _, name, _ in swift_calls(SWIFT_CLIENT)}
    kotlin = set(re.findall(r"\b(?:it|phone|Phone)\.(\w+)\(", KOTLIN_CLIENT.read_text()))
    for language, used in (("Swift", swift), ("Kotlin", kotlin)):
        missing = sorted(set(known) - used)
        assert not missing, f"{language} leaves out {missing}"


def both_layers_have_the_same_calls():
    swift = swift_functions(SWIFT_CLIENT, "PhoneClient", "public")
    kotlin = kotlin_functions(KOTLIN_CLIENT, "PhoneClient")
    for name in STREAMS:
        swift.pop(name)
    for labels in swift.values():
        # what has no label in Swift has a name in Kotlin: the step of `enrol`
        labels[:] = ["step" if it == "_" else it for it in labels]
    assert len(kotlin) >= 23, kotlin
    for name in sorted(set(swift) | set(kotlin)):
        pair = (swift.get(name), kotlin.get(name))
        assert pair[0] == pair[1], f"{name} in Swift and in Kotlin: {pair}"


def the_ways_to_fail_are_those_of_the_binding():
    cases = re.search(r"public enum VisitFailure.*?\n\}", CORE.read_text(), re.S)[0]
    known = set(re.findall(r"^ *case (\w+)$", cases, re.M))
    said = set()
    for path in LAYER:
        pattern = r"(?:TransportError\(|failed\(visit\.id, |refuse\()\.(\w+)"
        said |= set(re.findall(pattern, path.read_text()))
        said |= set(re.findall(r"\.(tls\w+|timeout|noNetwork)\b", path.read_text()))
    said.discard("tlsMinimumSupportedProtocolVersion")
    assert said == known, f"said {sorted(said)}, known {sorted(known)}"


CHECKS = [
    the_header_is_c_and_the_library_has_all_of_it,
    every_source_can_be_parsed,
    a_source_that_is_broken_would_be_noticed,
    the_layer_calls_what_the_binding_has,
    no_call_of_the_phone_is_left_out,
    both_layers_have_the_same_calls,
    the_ways_to_fail_are_those_of_the_binding,
]


def main():
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            check()
            print(f"ok    {name}")
        except (AssertionError, subprocess.CalledProcessError) as error:
            failed += 1
            print(f"FAIL  {name}\n      {error}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
