"""Ten minutes of a character LSTM on tinyshakespeare: first 90 % training, last 10 % validation.

    python benchmarks/recipes/tinyshakespeare.py [RUN]

To beat, measured on another 2-core machine: a bare ``nn.LSTM`` loop, 1 × 512, batch 50, cuts of 100, dropout 0.3,
reached 1.466 nats a character after 10 minutes at 13,900 characters/s.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from record import curve, data, machine, record

OPTIONS = (
    "--minutes 10 --hidden 512 --embedding 128 --batch 32 --bptt 64 --dropout 0.3 --lr 4e-3 "
    "--warmup 50 --evaluate-every 500 --seed 0"
)


def main() -> None:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/tinyshakespeare")
    before = machine()
    options = [*OPTIONS.split(), "--out", str(run)]
    command = [sys.executable, "-m", "throughtime", "train", "text", str(data("tinyshakespeare/input.txt")), *options]
    subprocess.run(command, check=True)
    points = curve(run)
    best = min(points, key=lambda point: point["nats_per_token"])
    result = {
        "command": f"throughtime train text tinyshakespeare/input.txt {OPTIONS}",
        "machine": before,
        "nats_per_character": best["nats_per_token"],
        "bits_per_character": best["bits_per_character"],
        "steps": points[-1]["step"],
        "seconds": points[-1]["seconds"],
        "characters_per_second": round(points[-1]["step"] * 32 * 64 / points[-1]["seconds"]),
        "curve": [{key: point[key] for key in ("step", "seconds", "nats_per_token")} for point in points],
    }
    print(f"{best['nats_per_token']:.4f} nats per character; recorded in {record('tinyshakespeare', result)}")


if __name__ == "__main__":
    main()
