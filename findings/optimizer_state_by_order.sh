#!/usr/bin/env bash
# Moments that go to another parameter although both sides know the parameters by name.
#
# Expected: an optimizer made from named parameters keeps the names in its state_dict, so that loading puts each moment where its
# name says, or refuses.
# Seen with torch 2.13.0: load_state_dict goes by position alone. With the same parameters in another order each one gets the
# other's moments where shapes agree, and the names that the optimizer shows afterwards are the saved ones, so that they
# are wrong too.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import torch


def new(order: str) -> tuple[dict[str, torch.nn.Parameter], torch.optim.Adam]:
    named = {name: torch.nn.Parameter(torch.zeros(3)) for name in order}
    return named, torch.optim.Adam(named.items())


first, saved = new("ab")
first["a"].grad, first["b"].grad = torch.ones(3), torch.full((3,), 5.0)
saved.step()
second, loaded = new("ba")
loaded.load_state_dict(saved.state_dict())
had = {name: round(saved.state[each]["exp_avg"][0].item(), 3) for name, each in first.items()}
has = {name: round(loaded.state[each]["exp_avg"][0].item(), 3) for name, each in second.items()}
names = loaded.param_groups[0]["param_names"]
print("torch", torch.__version__, "moments saved:", had, "loaded:", has)
print("names of the loaded optimizer:", names, "its parameters:", list(second))
raise SystemExit(0 if has == {"a": had["b"], "b": had["a"]} and names == ["a", "b"] else 1)
PY
