"""An optimizer whose step calls the step of its base class: torch calls the hooks twice, and one step was made."""

import pytest
import torch

import dyn


class Derived(torch.optim.SGD):
    """Decays the weights by itself, then takes the step of SGD, whose hooks are called once more."""

    def step(self, closure=None):
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                parameter.mul_(0.5)
        return super().step(closure)


@pytest.fixture(autouse=True)
def used_by_itself():
    # From then on its own step calls hooks as well.
    torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)


@pytest.mark.parametrize("options", [{}, {"checkpoint_every": 3}, {"every": 2}])
def test_a_step_within_a_step_is_one(path, options):
    model = torch.nn.Linear(3, 2)
    optimizer = Derived(model.parameters(), lr=0.1)
    before = []
    with dyn.attach(model, optimizer, path, **options) as recorder:
        for _ in range(6):
            optimizer.zero_grad()
            loss = model(torch.ones(4, 3)).square().mean()
            loss.backward()
            recorder.log(loss=loss)
            before.append(model.weight.detach().clone())
            optimizer.step()
    with dyn.open(path) as recording:
        steps = recording.step[:].tolist()
        assert steps == ([0, 2, 4, 6] if "every" in options else list(range(7)))
        for row, step in enumerate(steps[:-1]):
            # The weights before the outer step began, not those before the inner one.
            torch.testing.assert_close(torch.from_numpy(recording["weight"][row]), before[step], rtol=0, atol=0)


def test_a_step_after_one_that_failed_is_a_step(path):
    model = torch.nn.Linear(3, 2)
    optimizer = Derived(model.parameters(), lr=0.1)

    def fails():
        raise RuntimeError

    with dyn.attach(model, optimizer, path) as recorder:
        for k in range(4):
            model(torch.ones(4, 3)).square().mean().backward()
            if k == 1:
                with pytest.raises(RuntimeError):
                    optimizer.step(fails)
            else:
                optimizer.step()
        assert recorder is not None
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == [0, 1, 2, 3]
