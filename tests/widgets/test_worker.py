"""Work in the background: the latest wish counts, and errors are told."""

import threading

from waiting import PATIENCE_S

from qdvae_helpers.widgets.worker import LatestOnly


def test_only_the_newest_waiting_job_runs_and_errors_are_told():
    gate, done, errors = threading.Event(), [], []
    begun, ended = threading.Event(), threading.Event()
    worker = LatestOnly(errors.append, pause=0)

    def slow():
        begun.set()
        gate.wait(PATIENCE_S)
        done.append("slow")

    def last():
        done.append("last")
        ended.set()
        raise ZeroDivisionError

    worker.submit(slow)
    assert begun.wait(PATIENCE_S)
    for k in range(5):
        worker.submit(lambda k=k: done.append(k))
    worker.submit(last)
    gate.set()
    assert ended.wait(PATIENCE_S)
    worker.close()
    assert done == ["slow", "last"]
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_a_pause_lets_a_newer_job_take_the_place_of_an_older_one():
    done, ended = [], threading.Event()
    worker = LatestOnly(done.append, pause=0.5)
    worker.submit(lambda: done.append("first"))
    worker.submit(lambda: (done.append("second"), ended.set()))
    assert ended.wait(PATIENCE_S)
    worker.close()
    assert done == ["second"]


def test_closing_drops_what_waits_and_ends_the_thread():
    before, done = threading.active_count(), []
    worker = LatestOnly(done.append, pause=PATIENCE_S)
    worker.submit(lambda: done.append("too late"))
    assert threading.active_count() == before + 1
    worker.close()
    worker.submit(lambda: done.append("closed"))
    assert threading.active_count() == before
    assert not done
