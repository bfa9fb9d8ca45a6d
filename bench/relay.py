#!/usr/bin/env python3
"""Throughput through the attach manager beside direct links: `colloquy load` against `colloquy serve`, once on its own
address and once registered with `colloquy attachd`, turn by turn. Prints the medians and their ratio.

usage: relay.py COLLOQUY [--rounds N] [--duration S] [--conversations N] [--size B] [--modes MODE,...]
"""
import contextlib
import pathlib
import subprocess
import tempfile

import side_by_side


def main():
    options = side_by_side.options_of(__doc__)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        def start(command, *arguments, **more):
            return running.enter_context(side_by_side.server(options.colloquy, command, *arguments, "--json",
                                                             stderr=subprocess.DEVNULL, **more))

        config = pathlib.Path(folder) / "attachd.toml"
        config.write_text(f'lu_name = "BENCH.HOUSE"\nlisten = "127.0.0.1:0"\n[attachd]\nsocket = "{folder}/sock"\n' +
                          "".join(f'[[tp]]\nname = "{name}"\nqueue_max = 100_000\n'
                                  for name in side_by_side.TARGETS.values()))
        direct = start("serve", "--listen", "127.0.0.1:0")
        manager = start("attachd", "--config", config)
        start("serve", "--listen", "127.0.0.1:0", COLLOQUY_MANAGER=f"{folder}/sock")
        side_by_side.compare(options, {"direct": direct["listening"][0], "through attachd": manager["listening"][0]})


if __name__ == "__main__":
    main()
