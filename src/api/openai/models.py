"""Which models there are."""

from fastapi import APIRouter

from src.api.dependencies import Services, ServicesDep
from src.api.errors import problems
from src.api.policy import ErrorShape
from src.api.schemas import OpenAIModel, OpenAIModels

router = APIRouter(tags=["OpenAI"])
listing = APIRouter(tags=["OpenAI"])


@listing.get("/models", summary="Names of models", responses=problems(401, 429, 503, shape=ErrorShape.OPENAI))
async def models(services: ServicesDep) -> OpenAIModels:
    """OpenAI's names, the server's own and those of MODEL_ALIASES: whatever `model` may be."""
    return model_list(services)


@router.get(
    "/models/{name:path}",
    summary="One model",
    responses=problems(401, 404, 429, 503, shape=ErrorShape.OPENAI),
)
async def model(services: ServicesDep, name: str) -> OpenAIModel:
    """Whether there is a model of this name."""
    services.catalogue.find(name)
    return _out(services, name)


def model_list(services: Services) -> OpenAIModels:
    return OpenAIModels(data=[_out(services, name) for name in services.catalogue.names])


def _out(services: Services, name: str) -> OpenAIModel:
    catalogue = services.catalogue
    return OpenAIModel(id=name, created=catalogue.created, owned_by=catalogue.owner(name))
