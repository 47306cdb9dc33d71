"""The languages that can be spoken."""

from src.services.text.english import ENGLISH
from src.services.text.spanish import SPANISH

LANGUAGES = {language.code: language for language in (ENGLISH, SPANISH)}
