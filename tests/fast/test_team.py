import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import numpy as np
import pytest
from numba import njit

from refnet.errors import UsageError
from refnet.fast.meeting import meeting_place, wait_for_all
from refnet.fast.team import Team, usable_cores


@njit(nogil=True)
def relay(rank, ranks, rounds, meeting, values):
    """Each round, every rank copies what its neighbour wrote in the round before, plus one."""
    for turn in range(rounds):
        values[turn + 1, rank] = values[turn, (rank + 1) % ranks] + 1
        wait_for_all(meeting, ranks)


@njit(nogil=True)
def meet_or_leave(rank, ranks, meeting):
    if rank != 1:
        for _ in range(3):
            wait_for_all(meeting, ranks)


def rest(*_):
    pass


def outcome(script):
    """What a Python script prints, run on its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_rank_runs_once_and_rank_zero_on_the_caller(threads):
    ran = []
    Team(threads).run(lambda rank, text: ran.append((rank, text, threading.get_ident())), "x")
    assert sorted(rank for rank, _, _ in ran) == list(range(threads))
    assert {text for _, text, _ in ran} == {"x"}
    assert [ident for rank, _, ident in ran if rank == 0] == [threading.get_ident()]
    assert len({ident for _, _, ident in ran}) == threads


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_what_a_rank_wrote_before_a_meeting_is_seen_by_all_after_it(threads):
    team, rounds = Team(threads), 2000 if threads <= usable_cores() else 50
    values = np.zeros((rounds + 1, threads), dtype=np.int64)
    for _ in range(3):
        values[1:] = -1
        team.run(relay, threads, rounds, team.meeting, values)
        assert (values == np.arange(rounds + 1)[:, np.newaxis]).all()


def test_threads_are_kept_between_runs():
    team, idents = Team(3), []
    for _ in range(4):
        team.run(lambda _: idents.append(threading.get_ident()))
    assert len(set(idents)) == 3


def test_no_thread_is_started_before_the_first_run():
    before = set(threading.enumerate())
    team = Team(4)
    assert set(threading.enumerate()) <= before
    team.run(rest)
    assert len(set(threading.enumerate()) - before) == 3


def test_a_team_of_none_is_refused():
    with pytest.raises(UsageError, match="threads = 0; expected at least 1"):
        Team(0)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_the_error_of_a_rank_reaches_the_caller_and_the_team_lives_on(failing):
    team = Team(3)

    def fail(rank):
        if rank == failing:
            raise ValueError(f"rank {rank}")

    with pytest.raises(ValueError, match=f"rank {failing}"):
        team.run(fail)
    values = np.zeros((11, 3), dtype=np.int64)
    team.run(relay, 3, 10, team.meeting, values)
    assert (values[-1] == 10).all()


def test_of_several_errors_the_lowest_rank_is_heard():
    def fail(rank):
        if rank:
            raise ValueError(f"rank {rank}")

    with pytest.raises(ValueError, match="rank 1"):
        Team(4).run(fail)


def test_no_one_waits_for_a_rank_that_failed():
    team = Team(3)

    def fail_before_meeting(rank):
        if rank == 1:
            raise ValueError("lost")
        meet_or_leave(rank, 3, team.meeting)

    with pytest.raises(ValueError, match="lost"):
        team.run(fail_before_meeting)


def test_callers_from_many_threads_take_turns():
    team, inside, most = Team(2), [0], [0]

    def work(rank):
        if rank == 0:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.001)
            inside[0] -= 1

    callers = [threading.Thread(target=lambda: [team.run(work) for _ in range(10)]) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert most == [1]


def test_threads_end_with_their_team():
    team, threads = Team(3), []
    team.run(lambda _: threads.append(threading.current_thread()))
    threads.remove(threading.current_thread())
    assert all(thread.is_alive() for thread in threads)
    del team
    gc.collect()
    for thread in threads:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_leave_nothing_behind_that_grows_with_their_number(threads):
    team = Team(threads)
    team.run(rest)
    finalizers = len(weakref.finalize._registry)
    for _ in range(100):
        team.run(rest)
    assert len(weakref.finalize._registry) <= finalizers  # fewer, if someone else's ended meanwhile


def test_a_team_keeps_nothing_of_a_run():
    class Owned:
        pass

    team, owned = Team(2), Owned()
    watch = weakref.ref(owned)
    team.run(rest, owned)
    del owned
    gc.collect()
    assert watch() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_team_has_threads_of_its_own():
    assert (
        outcome("""
        import os, warnings, threading
        warnings.simplefilter("ignore")
        from refnet.fast.team import Team
        team = Team(2)
        team.run(lambda rank: None)
        held = threading.Event()
        def hold(rank):
            if rank == 1:
                held.set()
                threading.Event().wait(0.5)
        holder = threading.Thread(target=team.run, args=(hold,))
        holder.start()
        held.wait()
        child = os.fork()  # while another thread has its turn
        if child == 0:
            ranks = []
            team.run(ranks.append)
            os._exit(0 if sorted(ranks) == [0, 1] else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        holder.join()
        team.run(lambda rank: None)
        """)
        == "0"
    )


def test_a_process_ends_while_its_teams_exist():
    assert (
        outcome("""
        from refnet.fast.team import Team
        teams = [Team(3), Team(2)]
        for team in teams:
            team.run(lambda rank: None)
        print("done")
        """)
        == "done"
    )


def test_a_meeting_place_keeps_its_words_on_lines_of_their_own():
    place = meeting_place()
    assert place.dtype == np.int64
    assert not place.any()
    assert place.nbytes == 3 * 128


def test_usable_cores_are_at_least_one_and_at_most_all():
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
