"""Every Python block of the documents runs, with what its page takes for granted."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dyn
from dyn.cli import main

ROOT = Path(dyn.__file__).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Scripts of other packages, which `dyn record` runs: nox -s packages does, with these packages installed.
ELSEWHERE = {"stable_baselines3", "skorch"}
BLOCKS = [(page, k, code) for page in PAGES for k, code in enumerate(BLOCK.findall(page.read_text()))]


class Network(nn.Module):
    """A network with the parameters that the documents name."""

    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.rand(4, 5))
        self.encoder = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x) + x @ self.W.T


def a_loop() -> dict[str, Any]:
    """A model, its optimizer and its batches, of the loop that the documents begin with."""
    torch.manual_seed(0)
    model = Network()
    batches = [(torch.rand(8, 5), torch.rand(8, 4)) for _ in range(30)]
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    return {"dyn": dyn, "model": model, "optimizer": optimizer, "loss_function": nn.MSELoss(), "batches": batches}


def a_recording(**given: Any) -> dict[str, Any]:
    """The recording run.h5, beside what made it."""
    told = a_loop() | given
    exec(next(code for page, _, code in BLOCKS if page.name == "README.md"), told)
    return told


def a_story_begun() -> dict[str, Any]:
    """What the first block of the page on checkpoints leaves, and its recording."""
    told: dict[str, Any] = {}
    exec(next(code for page, _, code in BLOCKS if page.name == "checkpoints.md"), told)
    return told | {"recording": dyn.open("run.h5")}


def a_recorder() -> dict[str, Any]:
    told = a_loop()
    return told | {"recorder": dyn.attach(told["model"], told["optimizer"], "run.h5")}


def a_table() -> dict[str, Any]:
    from dyn.recorders.export import export

    a_recording()
    export("run.h5", "run.parquet", select=["scalars/*", "parameters/W"], every=10)
    return {}


def a_process_group() -> dict[str, Any]:
    from torch.distributed import init_process_group
    from torch.nn.parallel import DistributedDataParallel

    init_process_group("gloo", init_method=f"file://{Path.cwd() / 'group'}", rank=0, world_size=1)
    told = a_loop()
    return told | {
        "DistributedDataParallel": DistributedDataParallel,
        "batches": [x for x, _ in told["batches"]],
    }


def a_lightning_module() -> dict[str, Any]:
    from pytorch_lightning import LightningModule, Trainer

    class Module(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 4)

        def training_step(self, batch: Tensor) -> Tensor:
            return self.layer(batch).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    loader = torch.utils.data.DataLoader(torch.rand(16, 5).unbind(), batch_size=4)  # type: ignore[arg-type]
    return {"Trainer": partial(Trainer, **quiet), "module": Module(), "loader": loader}


def a_transformer() -> dict[str, Any]:
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    sizes = {"vocab_size": 16, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))
    arguments = TrainingArguments(
        "output", max_steps=3, use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no",
        dataloader_pin_memory=False,
    )  # fmt: skip
    tokens = [{"input_ids": each, "labels": each} for each in torch.randint(16, (16, 8))]
    return {"Trainer": Trainer, "model": model, "arguments": arguments, "data": tokens}


def a_sweep(name: str, *options: str) -> dict[str, Any]:
    settings = ["--set", "steps=40", "--set", "batch_size=32", "--workers", "1", "-o", name]
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["sweep", *options, *settings])
    return {}


PREPARE: dict[str, Callable[[], dict[str, Any]]] = {
    "README.md": a_loop,
    "recorder.md 0": a_loop,
    "summaries.md": a_loop,
    "recorder.md 1": a_recorder,
    "checkpoints.md 0": dict,
    "checkpoints.md": a_story_begun,
    "distributed.md": a_process_group,
    "frameworks.md 0": a_lightning_module,
    "frameworks.md 1": a_transformer,
    "sweeping.md": lambda: a_sweep("phase.h5", "phase-2x1", "--over", "density=0.1,1", "--repeat", "2"),
    "ensemble-dynamics.md": lambda: a_sweep(
        "energy-levels-sweep.h5", "energy-levels", "--over", "density=0.3,0.4", "--repeat", "2", "--record"
    ),
    "export.md 1": a_table,
}  # fmt: skip


def is_ours(code: str) -> bool:
    return not set(re.findall(r"^from (\w+)", code, re.MULTILINE)) & ELSEWHERE


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")
@pytest.mark.parametrize(
    ("page", "k", "code"),
    [pytest.param(*block, id=f"{block[0].name} {block[1]}") for block in BLOCKS if is_ours(block[2])],
)
def test_a_block_of_the_documents_runs(page, k, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare = PREPARE.get(f"{page.name} {k}") or PREPARE.get(page.name) or a_recording
    told = prepare()
    exec(compile(code, f"{page.name}, block {k}", "exec"), {"np": np} | told)
    for each in told.values():
        if isinstance(each, dyn.Recorder):
            each.close()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_what_runs_elsewhere_is_only_what_is_not_ours():
    assert {name for *_, code in BLOCKS for name in ELSEWHERE if f"from {name} import" in code} == ELSEWHERE
