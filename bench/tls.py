#!/usr/bin/env python3
"""What encryption costs: `colloquy load` against one `colloquy serve` on its plain and on its encrypted address, turn
by turn. Prints the medians and their ratio. Needs openssl, which makes a certificate for the run.

usage: tls.py COLLOQUY [--rounds N] [--duration S] [--conversations N] [--size B] [--modes MODE,...]
"""
import pathlib
import subprocess
import tempfile

import side_by_side


def main():
    options = side_by_side.options_of(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        pem, key, config = (pathlib.Path(folder) / name for name in ("unit.pem", "unit.key", "colloquy.toml"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", pem], check=True, capture_output=True)
        config.write_text(f'[tls]\ncertificate = "{pem}"\nkey = "{key}"\ntrust = "{pem}"\n')
        with side_by_side.server(options.colloquy, "serve", "--config", config, "--json",
                                 "--listen", "127.0.0.1:0,tls:127.0.0.1:0") as ready:
            plain, encrypted = ready["listening"]
            side_by_side.compare(options, {"plain": plain, "TLS": encrypted}, "--config", config)


if __name__ == "__main__":
    main()
