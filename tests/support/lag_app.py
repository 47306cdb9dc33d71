"""The application of the other fault tests, with a watchdog on its event loop."""

from tests.support.faults_app import app
from tests.support.watchdog import Watchdog

Watchdog(app)
