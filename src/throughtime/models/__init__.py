"""Models: the shapes that recurrent networks take."""

from throughtime.models.base import Model, State
from throughtime.models.classifier import ClassBatch, Classifier
from throughtime.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from throughtime.models.language_model import LanguageModel, LanguageModelConfig
from throughtime.models.regressor import NumberBatch, Regressor
from throughtime.models.stack import StackConfig
from throughtime.models.tagger import TagBatch, Tagger, TaggerConfig
from throughtime.models.tree_classifier import TreeClassifier, TreeClassifierConfig
from throughtime.models.word_input import WordInput, WordInputConfig

__all__ = [
    "ClassBatch",
    "Classifier",
    "EncoderDecoder",
    "EncoderDecoderConfig",
    "LanguageModel",
    "LanguageModelConfig",
    "Model",
    "NumberBatch",
    "Regressor",
    "StackConfig",
    "State",
    "TagBatch",
    "Tagger",
    "TaggerConfig",
    "TreeClassifier",
    "TreeClassifierConfig",
    "WordInput",
    "WordInputConfig",
]
