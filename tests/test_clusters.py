"""Containers and clusters: what can be held without either."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CLUSTERS = ROOT / "docs" / "examples" / "clusters"
LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
IMAGES = ("Dockerfile", "Dockerfile.cuda")


def copied(image: str) -> list[str]:
    """What a Dockerfile takes from this folder."""
    lines = re.findall(r"^COPY (.+) \S+$", (ROOT / image).read_text(), re.MULTILINE)
    return [name for line in lines for name in line.split()]


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_copies_is_there_and_not_ignored(image: str) -> None:
    shown = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name in copied(image):
        assert (ROOT / name).exists()
        assert name in shown


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_reads_from_the_lock_is_there(image: str) -> None:
    text = (ROOT / image).read_text()
    for name in re.findall(r"\^(\w+)==", text):
        assert name in LOCK
    assert "hatchling" in LOCK  # builds without isolation
    assert re.search(r"^USER vitnas$", text, re.MULTILINE)


@pytest.mark.heavy
def test_the_package_is_built_from_what_an_image_copies(tmp_path: Path) -> None:
    [names] = {tuple(copied(image)) for image in IMAGES}
    for name in names:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "out",
        ".",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".whl"]


def test_a_cluster_on_kubernetes_has_the_ray_of_the_lock_and_one_drive() -> None:
    cluster = yaml.safe_load((CLUSTERS / "kuberay.yaml").read_text())
    assert cluster["kind"] == "RayCluster"
    assert cluster["spec"]["rayVersion"] == LOCK["ray"]
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        [container] = group["template"]["spec"]["containers"]
        [volume] = group["template"]["spec"]["volumes"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/work"}]


def test_a_cluster_by_ssh_names_its_machines() -> None:
    cluster = yaml.safe_load((CLUSTERS / "ray.yaml").read_text())
    head = cluster["provider"]["head_ip"]
    assert head not in cluster["provider"]["worker_ips"]
    assert any(head in command for command in cluster["worker_start_ray_commands"])


def test_the_script_of_a_job_is_one() -> None:
    subprocess.run(["bash", "-n", CLUSTERS / "slurm.sh"], check=True)
