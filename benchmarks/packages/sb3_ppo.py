"""Stable-Baselines3's quick start: PPO on CartPole."""

from own_log import tell
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger


class Losses(Logger):
    """Keeps what PPO logs: the loss of the last minibatch of each rollout."""

    def __init__(self):
        super().__init__(None, [])
        self.losses = []

    def record(self, key, value, exclude=None):
        super().record(key, value, exclude)
        if key == "train/loss":
            self.losses += [None] * 39 + [value]


# Eight rollouts of ten epochs of four minibatches.
model = PPO("MlpPolicy", "CartPole-v1", n_steps=256, seed=0)
logger = Losses()
model.set_logger(logger)
model.learn(total_timesteps=2_000)
tell(logger.losses, dict(model.policy.named_parameters()))
