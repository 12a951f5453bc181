"""The figure of learning coefficients: numbers where there are some, reasons where not."""

import matplotlib.pyplot as plt
import pytest

import dyn
from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment
from dyn.viz import plot_llc

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]


def test_known_points_have_numbers_and_saddles_reasons(tmp_path):
    experiment = EXPERIMENTS["k-gons"].with_settings(repeat=1, n_instances=1, steps=4_000, evaluation_size=64)
    with dyn.open(record_experiment(experiment, tmp_path / "run.h5", every=50)) as recording:
        figure = plot_llc(recording, instance=0)
    words = [text.get_text() for text in figure.axes[1].texts]
    assert any("saddle" in each for each in words)
    assert any("gon" in each for each in words)
    assert figure.axes[1].get_ylim()[0] == 0
    plt.close(figure)


def test_what_does_not_fit_is_refused(ensemble):
    with pytest.raises(SettingError):
        plot_llc(ensemble, instance=77)
