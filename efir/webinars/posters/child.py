"""The process that decodes one upload from standard input, with limits.

It is started as `python -m efir.webinars.posters.child PARENT KIND`. PARENT is the id of the parent process, KIND is
`poster` or `logo`. The answer is one JSON object on standard output: the rendered files in base64, or the code of the
refusal.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import sys

from efir.lib.child_limits import limit_child

# A photo from a phone takes half a second; a machine may be several times slower.
CPU_S = 5
TIMEOUT_S = 12
MEMORY_BYTES = 300 * 2**20


def limit() -> None:
    """Limit this process permanently."""
    limit_child(resource.RLIMIT_AS, MEMORY_BYTES)
    signal.alarm(TIMEOUT_S)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


def main() -> None:
    """Decode the upload on standard input, and print the result."""
    limit()
    if os.getppid() != int(sys.argv[1]):  # the parent had ended before the limits were set
        return
    from django.core.exceptions import ValidationError

    from efir.webinars.posters.decode import decode_image, refusal
    from efir.webinars.posters.render import render_image, render_logo

    answer: dict[str, object]
    try:
        try:
            logo = sys.argv[2] == "logo"
            image = decode_image(sys.stdin.buffer.read(), logo=logo)
            rendered = render_logo(image) if logo else render_image(image)
        except MemoryError as exc:
            raise refusal("poster_too_large") from exc
    except ValidationError as refused:
        answer = {"refused": refused.code}
    else:
        files = {name: base64.b64encode(content).decode() for name, content in rendered.files.items()}
        answer = {"digest": rendered.digest, "files": files}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
