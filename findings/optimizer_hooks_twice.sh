#!/usr/bin/env bash
# Hooks of an optimizer that are called twice a step, depending on which other optimizers were made before.
#
# Expected: a hook from register_step_pre_hook is called once for each call of step().
# Seen with torch 2.13.0: an optimizer that is derived from SGD, and calls SGD's step in its own, has its hooks called once a step
# until anybody makes a plain SGD in the same process; from then on twice, the second time in the middle of the step.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import torch


class Derived(torch.optim.SGD):
    def step(self, closure=None):
        return super().step(closure)


def calls_in_a_step() -> int:
    parameter = torch.nn.Parameter(torch.ones(1))
    parameter.grad = torch.ones(1)
    optimizer, called = Derived([parameter], lr=0.1), []
    optimizer.register_step_pre_hook(lambda *_: called.append(1))
    optimizer.step()
    return len(called)


before = calls_in_a_step()
torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
after = calls_in_a_step()
print("torch", torch.__version__, "calls of a hook in one step:", before, "- once a plain SGD was made:", after)
raise SystemExit(0 if (before, after) == (1, 2) else 1)
PY
