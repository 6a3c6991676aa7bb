"""Drives one simulated webinar over real connections, and records what its clients know."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlencode

from tests.oracle.evening import FOR_EVER, Evening, Fault, Leg, Person
from tests.oracle.evidence import NEVER, Blindness, Evidence, Request, Story, Stream, Window
from tests.oracle.installation import Installation
from tests.oracle.jumping_clock import set_ahead

# How soon a page connects again after it was cut off, and after it was refused.
RECONNECT_S = (0.3, 1.5)
PROBE_EVERY_S = 0.5
# A speaker presses again until this long after the first time.
PRESS_WITHIN_S = 60.0
ANSWER_WITHIN_S = 8.0
# After the stop: so long people may still come.
AFTER_S = 5.0
FINISHED = b'"status":"finished"'


class Driver:
    """One evening. `hold` returns when everybody has left and every fault is undone."""

    def __init__(self, evening: Evening, installation: Installation) -> None:
        self.evening, self.installation = evening, installation
        self.evidence = Evidence(evening.grace_s, evening.min_watched, evening.processes)
        self.stories = [
            Story(login, person.kind, person.is_lead)
            for person, (login, _) in zip(evening.people, installation.people, strict=True)
        ]
        self._random = random.Random(evening.seed)  # noqa: S311  # a script, not a secret
        self._doors = time.monotonic()
        self._probes: list[tuple[int, float, float]] = []
        self._down: set[int] = set()
        self._faults: list[Window] = []
        self._closing: set[asyncio.Task[None]] = set()

    async def hold(self) -> None:
        """Run the evening."""
        self._doors = time.monotonic()
        probes = [asyncio.create_task(self._probe(number)) for number in range(self.evening.processes)]
        people = [
            asyncio.create_task(self._person(person, story, cookie))
            for person, story, (_, cookie) in zip(
                self.evening.people, self.stories, self.installation.people, strict=True
            )
        ]
        faults = [asyncio.create_task(self._fault(fault)) for fault in self.evening.faults]
        await self._speaker()
        await asyncio.gather(*faults)
        await self._until(self.evening.stops_s + AFTER_S)
        for task in probes:
            task.cancel()
        for task in people:
            task.cancel()
        await asyncio.gather(*people, *probes, *self._closing, return_exceptions=True)
        self._measure()

    def _now(self) -> float:
        return time.monotonic() - self._doors

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._now()))

    def _measure(self) -> None:
        """Increase the tolerance by the machine's slowest response."""
        calm = [
            (number, asked, ended)
            for number, asked, ended in self._probes
            if not any(asked < fault.latest + 3 and ended > fault.earliest - 0.2 for fault in self._faults)
        ]
        slowest = max((ended - asked for _, asked, ended in calm), default=0.0)
        self.evidence.flush_s += 2 * slowest
        self.evidence.blindness += [
            Blindness(number, "stalled", Window(asked, asked), Window(ended, ended))
            for number, asked, ended in calm
            if ended - asked > ANSWER_WITHIN_S / 2
        ]

    async def _probe(self, number: int) -> None:
        """Send a process a cheap request every half a second."""
        while True:
            asked = self._now()
            with suppress(OSError, TimeoutError):
                await self._request(number, "GET", "/api/nothing", "", within_s=60)
                self._probes.append((number, asked, self._now()))
            await asyncio.sleep(PROBE_EVERY_S)

    # The speaker

    async def _speaker(self) -> None:
        """Press start, pause, resume and stop, and record the periods of live time."""
        evening, evidence = self.evening, self.evidence
        await self._until(evening.starts_s)
        began = await self._press("start")
        for pauses, resumes in evening.pauses:
            await self._until(pauses)
            evidence.live.append((began, await self._press("pause")))
            if resumes < FOR_EVER:
                await self._until(resumes)
                began = await self._press("resume")
        await self._until(evening.stops_s)
        evidence.stop = await self._press("stop")
        if not evening.pauses or evening.pauses[-1][1] < FOR_EVER:
            evidence.live.append((began, evidence.stop))

    async def _press(self, button: str) -> Window:
        """Press a button of the speaker's page until it takes effect, at a process that is healthy."""
        pressed = self._now()
        while self._now() - pressed < PRESS_WITHIN_S:
            well = [number for number in range(self.evening.processes) if number not in self._down]
            # There is no button for a pause, and none at all while no process is well.
            on_page = well and button in ("start", "stop")
            if await (self._press_on_page(well, button) if on_page else self._press_on_command_line(button)):
                return Window(pressed, self._now())
            await asyncio.sleep(0.2)
        raise AssertionError(f"{button} was refused for {PRESS_WITHIN_S} s")

    async def _press_on_page(self, well: list[int], button: str) -> bool:
        path = f"/admin_webinar/{self.installation.webinar}/{button}"
        with suppress(OSError, TimeoutError):
            number = self._random.choice(well)
            return await self._request(number, "POST", path, self.installation.speaker) == 200
        return False

    async def _press_on_command_line(self, button: str) -> bool:
        words = ("webinar", button, str(self.installation.webinar))
        return (await asyncio.to_thread(self.installation.run, *words)).returncode == 0

    # The people

    async def _person(self, person: Person, story: Story, cookie: str) -> None:
        tasks: list[Awaitable[None]] = [self._leg(leg, person, story, cookie) for leg in person.legs]
        if person.seat_s is not None:
            tasks.append(self._book(person.seat_s, story, cookie))
        if person.opening_s is not None:
            tasks.append(self._open_broadcast(person.opening_s, story, cookie))
        await asyncio.gather(*tasks)

    async def _book(self, moment: float, story: Story, cookie: str) -> None:
        await self._until(moment)
        story.seat = await self._ask(f"/webinars/{self.installation.webinar}/seat", cookie, story)

    async def _open_broadcast(self, moment: float, story: Story, cookie: str) -> None:
        await self._until(moment)
        path = f"/account/webinar_room/{self.installation.webinar}/watch"
        while self._now() < self.evening.stops_s + AFTER_S:
            request = await self._ask(path, cookie, story)
            story.openings.append(request)
            if request.succeeded or request.status == 409:
                return
            await asyncio.sleep(0.5)

    async def _ask(self, path: str, cookie: str, story: Story) -> Request:
        """Send one request that changes something; a response may never arrive."""
        request = Request(self._now())
        with suppress(OSError, TimeoutError):
            request.status = await self._request(self._any_process(), "POST", path, cookie)
            request.answered = self._now()
        return request

    def _any_process(self) -> int:
        return self._random.randrange(self.evening.processes)

    async def _leg(self, leg: Leg, person: Person, story: Story, cookie: str) -> None:
        """Hold a connection until the page closes, connecting again if it is cut off and the page does that."""
        await self._until(leg.opens_s)
        process = leg.process
        while self._now() < leg.closes_s:
            is_over, was_cut = await self._stream(process, leg, story, cookie)
            if is_over or (was_cut and not person.returns):
                return
            await asyncio.sleep(self._random.uniform(*RECONNECT_S))
            process = self._any_process()

    async def _stream(self, process: int, leg: Leg, story: Story, cookie: str) -> tuple[bool, bool]:
        """Hold one connection. Return whether the page has finished with the room, and whether it was admitted."""
        stream = Stream(process, leg.watching, self._now())
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.installation.places[process].port
            )
        except OSError:
            return False, False
        query = "?watching=1" if leg.watching else ""
        path = f"/account/webinar_room/{self.installation.webinar}/stream{query}"
        story.streams.append(stream)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        received = b""
        try:
            while True:
                remaining = leg.closes_s - self._now()
                chunk = await asyncio.wait_for(
                    reader.read(65536), None if remaining > FOR_EVER / 2 else remaining
                )
                if not chunk:
                    break
                received = received[-4096:] + chunk
                if stream.accepted == NEVER and b"\r\n\r\n" in received:
                    stream.refused = not received.startswith(b"HTTP/1.1 200")
                    stream.accepted = self._now()
        except TimeoutError:
            self._close(stream, reader, writer)
            return True, False
        except asyncio.CancelledError:
            stream.shut = self._now()
            writer.close()
            raise
        except OSError:
            pass
        stream.ended = self._now()
        writer.close()
        return FINISHED in received, stream.accepted < NEVER and not stream.refused

    def _close(self, stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Close the tab, and record in the background when the server has closed the connection, too."""

        async def until_let_go() -> None:
            with suppress(OSError):
                writer.write_eof()
                while await reader.read(65536):
                    pass
            stream.ended = self._now()
            writer.close()

        stream.shut = self._now()
        task = asyncio.create_task(until_let_go())
        self._closing.add(task)

    async def _request(
        self, process: int, method: str, path: str, cookie: str, within_s: float = ANSWER_WITHIN_S
    ) -> int:
        """Send one request and return the status of the answer."""
        body = urlencode({"csrfmiddlewaretoken": self.installation.csrf}) if method == "POST" else ""
        head = {
            "Host": "127.0.0.1",
            "Cookie": cookie,
            "Accept": "application/json",
            "Connection": "close",
            "X-CSRFToken": self.installation.csrf,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(body)),
        }
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", body]
        async with asyncio.timeout(within_s):
            port = self.installation.places[process].port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write("\r\n".join(lines).encode())
                answer = await reader.read(-1)
            finally:
                writer.close()
        if not answer.startswith(b"HTTP/1.1 "):
            raise ConnectionError(path)
        return int(answer[9:12])

    # The faults

    async def _fault(self, fault: Fault) -> None:
        await self._until(fault.at_s)
        begins = self._now()
        await FAULTS[fault.kind](self, fault)
        self._faults.append(Window(begins, self._now()))

    async def _thread(self, call: Callable[..., object], *arguments: object) -> Window:
        """Call a blocking function in a thread; return when it began and when it ended."""
        began = self._now()
        await asyncio.to_thread(call, *arguments)
        return Window(began, self._now())

    async def _kill(self, fault: Fault) -> None:
        site, process = self.installation.site, self.installation.processes[fault.process]
        self._down.add(fault.process)
        since = await self._thread(site.kill, process)
        await self._come_back("killed", fault, since)

    async def _terminate(self, fault: Fault) -> None:
        process = self.installation.processes[fault.process]
        self._down.add(fault.process)

        def end() -> None:
            process.terminate()
            process.wait(60)

        since = await self._thread(end)
        await self._come_back("stopped", fault, since)

    async def _come_back(self, kind: str, fault: Fault, since: Window) -> None:
        back_at = min(fault.at_s + fault.length_s, self.evening.stops_s + AFTER_S)
        await self._until(back_at)
        until = await self._thread(self.installation.restart_web, fault.process)
        self._down.discard(fault.process)
        self.evidence.blindness.append(Blindness(fault.process, kind, since, until))

    async def _freeze(self, fault: Fault) -> None:
        process = self.installation.processes[fault.process]
        self._down.add(fault.process)
        began = self._now()
        process.send_signal(signal.SIGSTOP)
        since = Window(began, self._now())
        await self._until(fault.at_s + fault.length_s)
        thaws = self._now()
        process.send_signal(signal.SIGCONT)
        with suppress(OSError, TimeoutError):
            await self._request(fault.process, "GET", "/api/nothing", "", within_s=30)
        self._down.discard(fault.process)
        self.evidence.blindness.append(Blindness(fault.process, "frozen", since, Window(thaws, self._now())))

    async def _restart_database(self, fault: Fault) -> None:
        began = self._now()
        await asyncio.to_thread(self.installation.stop_database)
        await self._until(fault.at_s + fault.length_s)
        await asyncio.to_thread(self.installation.start_database)
        self.evidence.database_away.append(Window(began, self._now()))

    async def _kill_worker(self, fault: Fault) -> None:
        await asyncio.to_thread(self.installation.site.kill, self.installation.worker)
        await self._until(fault.at_s + fault.length_s)
        await asyncio.to_thread(self.installation.restart_worker)

    async def _jump(self, fault: Fault) -> None:
        # A machine beside the database takes the time from it.
        self.evidence.clock_jumped = self.evening.processes == 1
        set_ahead(self.installation.clock, fault.length_s)


FAULTS: dict[str, Callable[[Driver, Fault], Awaitable[None]]] = {
    "kill": Driver._kill,
    "terminate": Driver._terminate,
    "freeze": Driver._freeze,
    "database": Driver._restart_database,
    "kill_worker": Driver._kill_worker,
    "clock": Driver._jump,
}
