"""Waiting for what widgets do in the background."""

import threading

from qdvae_helpers.widgets.panels import Message

PATIENCE_S = 60  # on a busy machine; nothing is timed


def said(message: Message, text: str) -> threading.Event:
    """An event that is set once the message contains the text, from now on."""
    event = threading.Event()
    message.widget.observe(lambda change: event.set() if text in message.text else None, "value")
    return event
