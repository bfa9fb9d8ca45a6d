#!/usr/bin/env python3
"""Counts test cases in a JUnit file that ctest wrote: prints "PASSED FAILED".

A doctest binary is one ctest test with many cases; its own summary line is counted. A binary that died before its
summary counts as one failure, and so does a run that ctest calls failed although nothing in the file failed.
"""
import re
import sys
import xml.etree.ElementTree as tree

SUMMARY = re.compile(r"\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: count_tests.py JUNIT_FILE CTEST_EXIT_STATUS", file=sys.stderr)
        return 2
    passed = failed = 0
    for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
        status = case.get("status")
        if status in ("disabled", "notrun"):
            failed += status == "notrun"
            continue
        summary = SUMMARY.search(COLOUR.sub("", case.findtext("system-out") or ""))
        case_passed, case_failed = (int(summary[2]), int(summary[3])) if summary else (int(status == "run"), 0)
        # A sanitizer or a time limit can fail a binary whose cases all passed.
        if status != "run" and case_failed == 0:
            case_failed = 1
        passed += case_passed
        failed += case_failed
    if sys.argv[2] != "0" and failed == 0:
        failed = 1
    print(passed, failed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
