"""A service that remembers what it was asked."""

from __future__ import annotations


class Book:
    """Answers any method with what it is told to, and remembers the questions."""

    def __init__(self):
        self.asked = []
        self.answers = {}

    def __getattr__(self, name):
        async def ask(caller, *arguments, **named):
            assert caller.tenant == "demo"
            self.asked.append((name, *arguments, *named.items()))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask
