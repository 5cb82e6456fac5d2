"""TensorBoard, opened in a browser, shows scalars, pictures and hyperparameters with values."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
SHOTS = os.environ.get("GENLOOM_SCREENSHOTS")  # a folder to keep what was seen


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Trains two short runs and serves them."""
    folder = tmp_path_factory.mktemp("board")
    for seed in (0, 1):
        command = [sys.executable, "-m", "genloom", "train", f"seed={seed}", "trainer.max_steps=60", "data.size=16"]
        command += ["callbacks.sample_grid.every_iterations=20", "callbacks.evaluation.every_iterations=20"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "tensorboard"),
            "--logdir",
            "runs",
            "--port",
            str(port),
            "--load_fast=false",
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(address, timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Opens Chromium without a screen."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no Chromium with its driver here (Debian: apt install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        "--disable-component-update", "--disable-sync", "--window-size=1400,1000", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


SHADOW_TEXT = """
const texts = [], pictures = [];
const visit = node => {
  if (node.shadowRoot) visit(node.shadowRoot);
  if (node.tagName === 'IMG' && node.naturalWidth) pictures.push(node.naturalWidth);
  if (node.tagName === 'STYLE' || node.tagName === 'SCRIPT') return;
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) { if (child.textContent.trim()) texts.push(child.textContent.trim()); }
    else visit(child);
  }
};
visit(document.body);
return [texts.join('\\n'), pictures];
"""


def look(browser: Any, address: str, wanted: str, name: str) -> tuple[str, list[int]]:
    """Waits until ``wanted`` (a pattern) is on the page; returns all text and the widths of the pictures on it."""
    browser.get(address)
    deadline = time.monotonic() + 60
    text, pictures = "", []
    while time.monotonic() < deadline:
        text, pictures = browser.execute_script(SHADOW_TEXT)
        if re.search(wanted, text):
            time.sleep(2)
            text, pictures = browser.execute_script(SHADOW_TEXT)
            break
        time.sleep(0.5)
    if SHOTS:
        browser.save_screenshot(str(Path(SHOTS) / f"{name}.png"))
    assert re.search(wanted, text), text[-2000:]
    return text, pictures


def test_scalars(board: str, browser: Any) -> None:
    text, _ = look(browser, f"{board}#timeseries", "train", "scalars")
    assert "train" in text
    tags = urllib.request.urlopen(f"{board}data/plugin/scalars/tags").read().decode()
    for tag in (
        "train/discriminator/D(x)", "train/discriminator/D(G(z))", "train/generator/gradient_norm",
        "train/examples_per_second", "val/fd_digits_cnn_v1", "final/fd_digits_cnn_v1",
    ):  # fmt: skip
        assert f'"{tag}"' in tags


def test_pictures(board: str, browser: Any) -> None:
    _, pictures = look(browser, f"{board}#images&tagFilter=^samples", "samples", "images")
    assert pictures
    assert max(pictures) > 200


def test_hyperparameters_have_values(board: str, browser: Any) -> None:
    text, _ = look(browser, f"{board}#hparams", "final/fd_digits_cnn_v1", "hparams")
    assert "optimizer/generator/lr" in text
    assert re.search(r"^\d+\.\d+$", text, re.MULTILINE), text[-2000:]
