"""The application as gunicorn serves it in these tests: everything but the engines is real."""

from src.config import load_settings
from src.main import create_app
from tests.support.faults_engines import open_engines

app = create_app(load_settings(), open_engines)
