"""ha-cfg as a real process on a host of a simulated pool, in real time: for what nothing
else can show.  The words are those of ha_cfg_case."""

import tempfile

import ha_lizard
import served
from ha_cfg_case import Asking, Case
from served import CFG, PRODUCT


class Running(object):
    """A process of the chosen host, with what it is told and what it says."""

    def __init__(self, server, argv, feed):
        self.argv, self.streams = argv, [tempfile.TemporaryFile() for _ in range(3)]
        self.streams[0].write(ha_lizard.to_bytes(feed))
        self.streams[0].seek(0)
        self.process = server.begin(argv, stdin=self.streams[0], stdout=self.streams[1],
                                    stderr=self.streams[2])

    def runs(self):
        return self.process.poll() is None

    def result(self):
        said = []
        for stream in self.streams[1:]:
            stream.seek(0)
            said.append(ha_lizard.to_text(stream.read()))
        return self.process.wait(), said[0], said[1]

    def close(self):
        for stream in self.streams:
            stream.close()


class ProcessCase(Asking, served.Case):
    POOL = Case.POOL

    def serve(self, *lines, **how):
        server = served.Case.serve(self, *lines, **how)
        self.story, self.host = server.story, server.host
        return server

    def cfg(self, *words, **how):
        """(exit status, output, errors) of ha-cfg WORDS."""
        return self.program(CFG + list(words), **how)

    def once(self):
        self.program(PRODUCT + ['once'])

    def called(self):
        return self.served.called

    def program(self, argv, **how):
        return self.side_by_side([argv], **how)[0]

    def side_by_side(self, argvs, **how):
        """[(exit status, output, errors)] of programs that run at the same time;
        when they have ended, nothing of them is left."""
        running = []
        try:
            for argv in argvs:
                running.append(Running(self.served, argv, how.get('feed', '')))
            if not self.served.until(lambda: not [each for each in running if each.runs()],
                                     how.get('limit', 60)):
                self.served.kill()
                self.fail('%s do not end' % [each.argv for each in running if each.runs()])
            # What was killed with them takes a moment to be gone.
            self.until(lambda: not self.served.pids(), 5)
            return [each.result() for each in running]
        finally:
            for each in running:
                each.close()
