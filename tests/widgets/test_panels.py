"""Building blocks of widgets: numbers, messages, and what all panels do alike."""

import pytest

from qdvae_helpers.errors import SettingError
from qdvae_helpers.widgets.panels import Message, Number, Panel, read_aloud


class Small(Panel):
    """Nothing but a panel."""

    def __init__(self) -> None:
        super().__init__()
        self.arrange()


class Broken(Panel):
    """A panel that cannot be made the first time, as with an argument that is wrong."""

    fault = True

    def __init__(self) -> None:
        super().__init__()
        if self.fault:
            raise SettingError("not so")
        self.arrange()

    def close(self) -> None:
        assert not self.fault, "half a panel cannot be closed"
        super().close()


def test_numbers_can_be_typed_and_slid():
    heard = []
    number = Number("x", 0.5, 0.0, 1.0, 0.1)
    number.on_change(lambda: heard.append(number.value))
    number.slider.value = 0.30000000000000004
    number.field.value = 0.7
    assert heard == [0.3, 0.7]
    assert number.slider.value == 0.7
    assert number.field.description == "x"


def test_messages_are_text_and_not_markup():
    message = Message()
    for show in (message.say, message.error):
        show("<script>alert(1)</script>")
        assert message.text == "<script>alert(1)</script>"
        assert "<script>" not in message.widget.value
    assert 'role="alert"' in message.widget.value


def test_errors_in_answers_reach_the_person():
    panel = Small()
    panel.guarded(lambda: 1 / 0)()
    assert "ZeroDivisionError" in panel.message.text

    def refuse():
        raise SettingError("Choose another one.")

    panel.guarded(refuse)()
    assert panel.message.text == "Choose another one."


def test_a_new_panel_closes_the_last_one_of_its_class():
    first = Small()
    other = type("Other", (Panel,), {})()
    other.arrange()
    second = Small()
    assert first.closed
    assert not other.closed
    assert not second.closed
    answered = []
    first.guarded(lambda: answered.append(1))()
    assert not answered
    second.close()
    assert not Small().closed


def test_a_panel_that_could_not_be_made_does_not_stand_in_the_way(monkeypatch):
    with pytest.raises(SettingError):
        Broken()
    monkeypatch.setattr(Broken, "fault", False)
    assert not Broken().closed


def test_digits_are_read_aloud(digits):
    read = [int(digit) for digit in read_aloud(digits.images[:50]).split()]
    right = sum(r == label for r, label in zip(read, digits.labels[:50].tolist(), strict=True))
    assert right >= 45
