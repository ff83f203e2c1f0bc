"""Models: the shapes that recurrent networks take."""

from throughtime.models.base import Model, State
from throughtime.models.classifier import ClassBatch, Classifier
from throughtime.models.ctc import CTCConfig, CTCModel, FrameBatch
from throughtime.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from throughtime.models.inputs.clips import FrameInput, PointInput
from throughtime.models.inputs.letters import LetterInput
from throughtime.models.inputs.words import WordInput, WordInputConfig
from throughtime.models.key_model import KeyModel, RollBatch
from throughtime.models.language_model import LanguageModel, LanguageModelConfig
from throughtime.models.regressor import NumberBatch, Regressor
from throughtime.models.series.densities import Density, DensityKind
from throughtime.models.series.forecaster import ForecastBatch, Forecaster
from throughtime.models.series.inputs import SeriesInput
from throughtime.models.series.step_classifier import StepBatch, StepClassifier
from throughtime.models.series.surprise import NextBatch, SurpriseModel
from throughtime.models.stack import StackConfig
from throughtime.models.strands import Letters, StrandBatch, StrandTagger, StrandTaggerConfig
from throughtime.models.tagger import TagBatch, Tagger, TaggerConfig
from throughtime.models.tree_classifier import TreeClassifier, TreeClassifierConfig

__all__ = [
    "CTCConfig",
    "CTCModel",
    "ClassBatch",
    "Classifier",
    "Density",
    "DensityKind",
    "EncoderDecoder",
    "EncoderDecoderConfig",
    "ForecastBatch",
    "Forecaster",
    "FrameBatch",
    "FrameInput",
    "KeyModel",
    "LanguageModel",
    "LanguageModelConfig",
    "LetterInput",
    "Letters",
    "Model",
    "NextBatch",
    "NumberBatch",
    "PointInput",
    "Regressor",
    "RollBatch",
    "SeriesInput",
    "StackConfig",
    "State",
    "StepBatch",
    "StepClassifier",
    "StrandBatch",
    "StrandTagger",
    "StrandTaggerConfig",
    "SurpriseModel",
    "TagBatch",
    "Tagger",
    "TaggerConfig",
    "TreeClassifier",
    "TreeClassifierConfig",
    "WordInput",
    "WordInputConfig",
]
