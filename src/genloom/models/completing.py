"""Models of all columns of a row, which are asked for some of them once they are trained."""

from genloom.errors import ConfigError
from genloom.spec import Spec


def check_asked_later(spec: Spec) -> None:
    """Refuse data that gives columns before training, to a model that is told none.

    Raises:
        ConfigError: naming them.
    """
    if spec.given:
        raise ConfigError(
            f"data.given: {', '.join(spec.given)} would be told to the model, which models all columns, and can then "
            "be asked for any of them; set data.given=[]"
        )
