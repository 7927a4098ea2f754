"""Serve a bundle on several machines with Ray Serve: `serve.run(eerun.serve.ray.deployment("model.ee"))`."""

from eerun.serve.ray.application import app, deployment
from eerun.serve.ray.settings import RaySettings

__all__ = ["RaySettings", "app", "deployment"]
