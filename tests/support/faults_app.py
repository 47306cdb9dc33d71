"""The application as gunicorn serves it in these tests: all of it is real but the engines."""

from src.config import load_settings
from src.main import create_app
from tests.support.faults_engines import open_engines

app = create_app(load_settings(), open_engines)
