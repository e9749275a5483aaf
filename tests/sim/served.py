"""A test with processes on a host of a simulated pool, and its end."""

import base
import server


class Case(base.TestCase):
    POOL = ()                       # the first lines of every pool of it
    served = None

    def run(self, result=None):
        try:
            return base.TestCase.run(self, result)
        finally:
            if self.served:
                self.served.close()

    def serve(self, *lines, **how):
        """A Server of POOL and more lines."""
        self.served = server.Server(self.POOL + lines, how.get('host', 'a'), how.get('speed', 1))
        return self.served
