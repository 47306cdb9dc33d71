"""What `describe` is answered: the models and voices of this server."""

from wyoming.info import AsrModel, AsrProgram, Attribution, Info, TtsProgram, TtsVoice

from src.engines.base import EngineInfo, Voice

_OURS = Attribution("Voz", "")
_AUTHORS = {
    "whisper": Attribution("OpenAI", "https://openai.com"),
    "kokoro": Attribution("hexgrad", ""),
    "coqui": Attribution("Coqui", ""),
}
"""Who made the models of each engine."""


def info(stt: EngineInfo, voices: tuple[Voice, ...], version: str) -> Info:
    """The services of this server."""
    model = AsrModel(
        name=stt.model,
        attribution=_AUTHORS.get(stt.engine, _OURS),
        installed=True,
        description=f"Whisper {stt.model}",
        version=version,
        languages=list(stt.languages),
    )
    asr = AsrProgram(
        name="voz",
        attribution=_OURS,
        installed=True,
        description="Voz: Whisper, while it is spoken",
        version=version,
        models=[model],
        supports_transcript_streaming=True,
    )
    tts = TtsProgram(
        name="voz",
        attribution=_OURS,
        installed=True,
        description="Voz",
        version=version,
        voices=[_voice(voice, version) for voice in voices],
        supports_synthesize_streaming=True,
    )
    return Info(asr=[asr], tts=[tts])


def _voice(voice: Voice, version: str) -> TtsVoice:
    return TtsVoice(
        name=voice.id,
        attribution=_AUTHORS.get(voice.engine, _OURS),
        installed=True,
        description=f"{voice.id} ({voice.locale})",
        version=version,
        languages=[voice.locale],
    )
