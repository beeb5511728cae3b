"""Checks the vectors on standard input against gsm0338 and writes its alphabet to standard output.

See README.md.
"""

import json
import sys

import gsm0338

# gsm0338 encodes ESC as the septet 1B. In 3GPP TS 23.038, 6.2.1 that septet is no character: it says that the next
# one is of the extension table, so a phone would read ESC and "e" as the euro sign. Ours sends ESC as UCS-2.
EXCLUDED = "\x1b"

codec = gsm0338.Codec()


def septets(text):
    """How many septets the text takes, or None where it cannot be encoded."""
    if EXCLUDED in text:
        return None
    try:
        return len(codec.encode(text)[0])
    except UnicodeEncodeError:
        return None


checked = 0
for number, line in enumerate(sys.stdin, 1):
    vector = json.loads(line)
    expected = vector["units"] if vector["encoding"] == "gsm7" else None
    if septets(vector["body"]) != expected:
        sys.exit(f"line {number}: gsm0338 counts {septets(vector['body'])}, the calculator {expected}: {line}")
    checked += 1

for code in range(sys.maxunicode + 1):
    if 0xD800 <= code <= 0xDFFF:
        continue
    if count := septets(chr(code)):
        print(json.dumps({"char": chr(code), "septets": count}))

print(f"{checked} vectors agree with gsm0338", file=sys.stderr)
