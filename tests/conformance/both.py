"""Both implementations get the same inputs at once and have to answer the same: what the tests of that share.

ENTRESOL_WIRE_DECODE: executable of the first implementation; reads lines, answers each with "ok" or
the drop reason.
"""

import os
import subprocess
import unittest

from entresol_wire import FieldRefused, ObjectRefused, Refused

WIRE_DECODE = os.environ.get("ENTRESOL_WIRE_DECODE", "")


def outcome(function, *arguments):
    """What wire_decode answers, too."""
    try:
        function(*arguments)
    except Refused as refused:
        return refused.reason
    except (FieldRefused, ObjectRefused):
        return "refused"
    return "ok"


def flips(octets):
    for bit in range(len(octets) * 8):
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(changed)


@unittest.skipUnless(WIRE_DECODE, "ENTRESOL_WIRE_DECODE is not set: no first implementation here")
class Both(unittest.TestCase):
    def ask(self, lines, *arguments):
        answered = subprocess.run(
            [WIRE_DECODE, *arguments],
            input="".join(line + "\n" for line in lines),
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout.split("\n")[:-1]
        self.assertEqual(len(answered), len(lines))
        return answered

    def compare(self, inputs, answer, *arguments):
        """inputs: (what, line), a list. answer: what the second implementation says to a line."""
        differ, seen = [], set()
        for (what, line), first in zip(inputs, self.ask([line for _, line in inputs], *arguments)):
            second = answer(line)
            seen.add(second.split("\t")[0])
            if first != second:
                said = f"  first  {first[:300]}\n  second {second[:300]}\n  {line[:500]}"
                differ.append(f"{what}\n{said}")
        if differ:
            shown = "\n".join(differ[:10])
            self.fail(f"{len(differ)} of {len(inputs)} differ:\n{shown}")
        return seen

    def binary(self, inputs, function, *arguments):
        return self.compare(
            [(what, octets.hex()) for what, octets in inputs],
            lambda line: outcome(function, bytes.fromhex(line)),
            *arguments,
        )
