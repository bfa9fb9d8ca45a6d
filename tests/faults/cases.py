"""The command line of a script of cases: --list, or a case, the two programs it runs, and a seed."""
import argparse
import os
import random
import sys


def seeded(doc):
    """A parser that takes --seed; else the seed is COLLOQUY_SEED, or any."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int,
                        default=int(os.environ.get("COLLOQUY_SEED", 0)) or random.randrange(1 << 31))
    return parser


def chosen(doc, module, option, **of_option):
    """The case's function, of those in `module` whose names begin with case_, and the arguments."""
    cases = {name[5:]: function for name, function in module.items() if name.startswith("case_")}
    if sys.argv[1:] == ["--list"]:
        print(";".join(cases))
        sys.exit(0)
    parser = seeded(doc)
    parser.add_argument("case", choices=cases)
    parser.add_argument("colloquy")
    parser.add_argument("customer")
    parser.add_argument(option, **of_option)
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    return cases[wanted.case], wanted
