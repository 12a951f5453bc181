"""fastai's tabular quick start, on a made table. Its optimizers are its own, and none of torch's."""

import numpy as np
import pandas as pd
import torch
from fastai.callback.core import Callback
from fastai.tabular.all import (
    Categorify,
    CategoryBlock,
    Normalize,
    TabularDataLoaders,
    accuracy,
    set_seed,
    tabular_learner,
)
from own_log import tell


class Losses(Callback):
    """Keeps the loss of every training batch."""

    def __init__(self):
        self.kept = []

    def after_loss(self):
        if self.training:
            self.kept.append(self.learn.loss_grad.item())


set_seed(0, reproducible=True)
draw = np.random.default_rng(0)
table = pd.DataFrame(
    {"age": draw.normal(size=600), "hours": draw.normal(size=600), "job": draw.choice(["a", "b"], 600)}
)
table["salary"] = np.where(table.age + (table.job == "a") > 0.5, "high", "low")
loaders = TabularDataLoaders.from_df(
    table,
    y_names="salary",
    cat_names=["job"],
    cont_names=["age", "hours"],
    procs=[Categorify, Normalize],
    y_block=CategoryBlock(),
    bs=64,
    seed=0,
    device=torch.device("cpu"),
)
losses = Losses()
learn = tabular_learner(loaders, layers=[16, 8], metrics=accuracy, cbs=[losses])
with learn.no_bar(), learn.no_logging():
    learn.fit_one_cycle(3)
tell(losses.kept, dict(learn.model.named_parameters()))
