"""Memory is given out in the order in which it is asked for, and never more than there is."""

import asyncio

import pytest

from service.memory import Memory


def test_what_there_is_is_given_at_once_and_the_rest_waits_its_turn() -> None:
    async def ask() -> list[str]:
        memory, order = Memory(10), []

        async def take(name: str, nbytes: int) -> None:
            taken = await memory.take(nbytes)
            order.append(name)
            await asyncio.sleep(0.01)
            memory.give(taken)

        await asyncio.gather(take("a", 6), take("large", 8), take("small", 2), take("b", 2))
        assert (memory.taken, len(memory.waiting)) == (0, 0)
        return order

    assert asyncio.run(ask()) == ["a", "large", "small", "b"], "a small one does not overtake a large one, which might wait for ever"


def test_a_request_larger_than_all_there_is_is_served_alone() -> None:
    async def ask() -> None:
        memory = Memory(10)
        assert await memory.take(1000) == 10
        assert not memory.try_take(1)
        memory.give(10)
        assert memory.try_take(1)

    asyncio.run(ask())


@pytest.mark.parametrize("late", [False, True])
def test_whoever_gives_up_waiting_holds_up_nobody_and_keeps_nothing(late: bool) -> None:
    async def ask() -> None:
        memory = Memory(10)
        await memory.take(8)
        first, second = asyncio.create_task(memory.take(8)), asyncio.create_task(memory.take(2))
        await asyncio.sleep(0)
        if late:
            memory.give(8)  # its turn comes, and it gives up before it can notice
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await asyncio.wait_for(second, 1)
        assert memory.taken == (2 if late else 10)

    asyncio.run(ask())


def test_whoever_gave_up_behind_a_head_that_waits_is_no_longer_in_the_queue() -> None:
    async def run() -> None:
        memory = Memory(100)
        await memory.take(60)
        head, behind = asyncio.create_task(memory.take(90)), asyncio.create_task(memory.take(10))
        await asyncio.sleep(0)
        assert len(memory.waiting) == 2
        behind.cancel()
        await asyncio.gather(behind, return_exceptions=True)
        assert len(memory.waiting) == 1
        memory.give(60)
        assert await head == 90

    asyncio.run(run())
