"""Models: the shapes that recurrent networks take."""

from throughtime.models.language_model import LanguageModel, LanguageModelConfig

__all__ = ["LanguageModel", "LanguageModelConfig"]
