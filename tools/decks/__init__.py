"""Decks of slides, made from the stored notebooks.

``lesson`` walks through a notebook and makes slides of what it finds, ``parts`` makes single
slides, ``fit`` chooses sizes and splits what is too much for one, ``guide`` finds what the
instructor guide says of a section, ``markup`` turns Markdown into HTML, ``pages`` writes files.
"""
