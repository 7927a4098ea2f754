"""Train heads on a trunk, frozen or together."""
