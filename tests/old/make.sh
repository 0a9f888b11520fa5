#!/usr/bin/env bash
# Writes what a version leaves on the disk into a folder beside this file: tests/old/make.sh NAME. Run it with the
# version whose files are to be kept; test_old_files.py opens them with the present one.
set -euo pipefail
cd "$(dirname "$0")"
vitnas="${VITNAS:-../../.venv/bin/vitnas}"
settings="$(mktemp)"
cat > "$settings" <<'TOML'
[train]
steps = 40
checkpoint_every = 40
evaluate_every = 40
log_every = 20
threads = 1
tensorboard = false

[search]
initial = 6
batch = 3
population = 20
generations = 5
predictor = "ridge"
TOML
$vitnas train-supernet --space space.toml --data digits --out "$1" --config "$settings"
$vitnas profile --run "$1" --device cpu --quick
$vitnas search --run "$1" --device cpu --evaluations 12 --config "$settings"
$vitnas search --run "$1" --device cpu --device iphone12 --evaluations 12 --no-measure --params 4000 --config "$settings"
$vitnas predictor fit --run "$1" --samples 20 --predictor ridge
$vitnas export --run "$1" --front "$1/search-cpu/front.json" --pick 0 --format onnx --out "$1/export"
rm "$1"/search-cpu+iphone12/study.db # an empty database takes 150 KB
gzip -9n "$1"/*/study.db
find "$1" \( -name '*.png' -o -name .lock -o -name '*.partial.jsonl' \) -delete
