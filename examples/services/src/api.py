"""Answers with the mean of the numbers that it is given."""

import numpy
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def mean(request: Request) -> JSONResponse:
    numbers = await request.json()
    return JSONResponse({"mean": float(numpy.mean(numbers))})


app = Starlette(routes=[Route("/mean", mean, methods=["POST"])])
