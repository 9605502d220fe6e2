"""Just enough of flytekit for its files to be imported: ImageSpec, task, workflow. The real one is too large for a test."""
from flytekit.core.context_manager import FlyteEntities
from flytekit.image_spec.image_spec import ImageSpec

__version__ = "1.16.31"


class Task:
    def __init__(self, function, container_image=None, pod_template=None):
        self.name = "%s.%s" % (function.__module__, function.__name__)
        self._container_image = container_image
        self.pod_template = pod_template
        FlyteEntities.entities.append(self)

    @property
    def container_image(self):
        return self._container_image


def task(function=None, **arguments):
    if function is not None:
        return Task(function)
    return lambda function: Task(function, **arguments)


workflow = task
