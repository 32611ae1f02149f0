"""Templates of the HTML pages that commands write."""

import jinja2

from serving.palette import THEME_FILE


def page_template(name: str) -> jinja2.Template:
    """Returns a template of `pipeline/commands/templates`, which escapes the texts put into it.

    Args:
      name: File name of the template.
    """
    folders = [
        jinja2.PackageLoader("pipeline.commands"),
        jinja2.FileSystemLoader(THEME_FILE.parent),
    ]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(folders), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(name)
