"""As `faults_app`, but a model that does not return for a second is taken to hang."""

from functools import partial

from src.config import load_settings
from src.main import create_app
from tests.support.faults_engines import open_engines

app = create_app(load_settings(), partial(open_engines, stall_seconds=1.0))
