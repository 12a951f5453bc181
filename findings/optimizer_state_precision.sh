#!/usr/bin/env bash
# A float32 state of an optimizer that comes back from its own state_dict as bfloat16.
#
# Expected: Optimizer.load_state_dict gives the state back in the precision in which it was saved.
# Seen with torch 2.13.0: every floating point tensor of the state, but for one named "step", is cast to its parameter's dtype.
# An optimizer that keeps a float32 copy of bfloat16 weights loses the small updates it was
# there for; nothing is said, and the dtype of the state is another one from then on.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import torch


class WithMaster(torch.optim.Optimizer):
    def __init__(self, parameters) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            master = state.setdefault("master", parameter.detach().float())
            master -= 1e-3 * parameter.grad.float()
            parameter.copy_(master)


parameter = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
parameter.grad = torch.ones_like(parameter)
saved = WithMaster([parameter])
saved.step()
again = torch.nn.Parameter(parameter.detach().clone())
loaded = WithMaster([again])
loaded.load_state_dict(saved.state_dict())
before, after = saved.state[parameter]["master"], loaded.state[again]["master"]
print("torch", torch.__version__, "saved:", before.dtype, before.tolist(), "loaded:", after.dtype, after.tolist())
raise SystemExit(0 if before.dtype == torch.float32 and after.dtype == torch.bfloat16 and after[0] == 1 else 1)
PY
