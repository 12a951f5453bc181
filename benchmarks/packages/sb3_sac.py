"""Stable-Baselines3: SAC on Pendulum. A round is a step of the critic and one of the actor, apart from log_ent_coef."""

from own_log import tell
from stable_baselines3 import SAC
from stable_baselines3.common.logger import Logger


class Losses(Logger):
    """Keeps what SAC logs of each of its gradient steps."""

    def __init__(self):
        super().__init__(None, [])
        self.losses = {"train/actor_loss": [], "train/critic_loss": []}

    def record(self, key, value, exclude=None):
        super().record(key, value, exclude)
        if key in self.losses:
            self.losses[key].append(float(value))


model = SAC("MlpPolicy", "Pendulum-v1", seed=0, learning_starts=100, policy_kwargs={"net_arch": [16, 16]})
logger = Losses()
model.set_logger(logger)
model.learn(total_timesteps=200)
trained = {f"actor.{name}": p for name, p in model.actor.named_parameters()}
trained.update((f"critic.{name}", p) for name, p in model.critic.named_parameters())
# The critic steps first.
tell(logger.losses["train/critic_loss"], trained)
