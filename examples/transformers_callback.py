"""Record a training by the Trainer of transformers: a tiny GPT-2 that learns to count by ones, twos and threes.

Leaves counting.h5 and counting.png: how much of a dimension the embedding of each number gets, step by step.
Needs the extra [transformers], and downloads nothing.
"""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

import dyn
from dyn.recorders.frameworks.transformers import RecorderCallback
from dyn.viz import plot_levels

torch.manual_seed(0)
# Threads would cost a model this small more than they bring.
torch.set_num_threads(1)
numbers, length = 12, 8
counts = [(start + stride * torch.arange(length)) % numbers for start in range(numbers) for stride in (1, 2, 3)]
data = [{"input_ids": each, "labels": each} for each in counts]
config = GPT2Config(
    vocab_size=numbers, n_positions=length, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
)

callback = RecorderCallback("counting.h5", overwrite=True, config={"data": "counting modulo 12"})
arguments = TrainingArguments(
    max_steps=150,
    per_device_train_batch_size=36,
    learning_rate=1e-2,
    use_cpu=True,
    report_to=[],
    save_strategy="no",
    logging_steps=50,
    dataloader_pin_memory=False,
)
Trainer(GPT2LMHeadModel(config), arguments, train_dataset=data, callbacks=[callback]).train()

with dyn.open("counting.h5") as recording:
    print(recording)
    print(f"loss: {recording.scalars['loss'][0]:.2f} at first, {recording.scalars['loss'][-2]:.2f} at last")
    plot_levels(recording, parameter="transformer.wte.weight").savefig("counting.png")
