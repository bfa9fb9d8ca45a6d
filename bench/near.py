#!/usr/bin/env python3
"""What a local socket gains: `colloquy load` against one `colloquy serve` on a port of 127.0.0.1 and on a Unix socket,
turn by turn. Three jobs, of which each mode of --modes is part: one conversation that sleeps, one that polls at both
ends, and bulk of large records.

usage: near.py COLLOQUY [--rounds N] [--duration S] [--conversations N] [--size B] [--modes MODE,...]
"""
import argparse
import pathlib
import tempfile

import side_by_side

BUSY_POLL_US = 200


def main():
    options = side_by_side.options_of(__doc__)

    def job(title, text, **changes):
        config.write_text(text)
        with side_by_side.server(options.colloquy, "serve", "--config", config, "--json", "--conversations", 4096,
                                 "--listen", f"127.0.0.1:0,unix:{folder}/socket") as ready:
            print(f"\n{title}: ", end="")
            tcp, local = ready["listening"]
            side_by_side.compare(argparse.Namespace(**{**vars(options), **changes}), {"TCP": tcp, "Unix": local},
                                 "--config", config)

    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "colloquy.toml"
        job("Round trip", "", modes="pingpong", conversations=1)
        job("Round trip, polling", f"busy_poll_us = {BUSY_POLL_US}\n", modes="pingpong", conversations=1)
        job("Bulk", "", modes="stream", conversations=8, size=32767)
        job("Many", "")


if __name__ == "__main__":
    main()
