"""Models: the shapes that recurrent networks take."""

from throughtime.models.base import Model, State
from throughtime.models.language_model import LanguageModel, LanguageModelConfig
from throughtime.models.stack import StackConfig

__all__ = ["LanguageModel", "LanguageModelConfig", "Model", "StackConfig", "State"]
