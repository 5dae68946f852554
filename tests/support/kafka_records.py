"""kafka_records -- record batches, the unit in which Kafka sends and stores messages.

In:     a message. Out: the bytes of a batch that holds it.
Never:  talks to a broker.

Version 2 of the format only: Kafka has written no other since 0.11.
Source: https://kafka.apache.org/documentation/#recordbatch
"""

import struct
import time

# base offset, length of what follows, leader epoch, version, CRC; the CRC covers what follows it.
_HEAD = ">qiibI"
# attributes, last offset delta, first and last timestamp, producer id, epoch and sequence, records
_BODY = ">hiqqqhii"
_LENGTH_FROM = 12  # the length counts what follows itself
_CRC32C_POLYNOMIAL = 0x82F63B78  # Castagnoli, reflected


def _crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CRC32C_POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _varint(number):
    zigzag = number << 1 ^ number >> 63
    data = b""
    while zigzag > 0x7F:
        data += bytes([zigzag & 0x7F | 0x80])
        zigzag >>= 7
    return data + bytes([zigzag])


def _field(data):
    return _varint(-1) if data is None else _varint(len(data)) + data


def batch(key, value):
    """A batch of one message, as a producer without idempotence sends it; None is null."""
    record = b"\0" + _varint(0) + _varint(0) + _field(key) + _field(value) + _varint(0)
    now_ms = int(time.time() * 1000)
    body = struct.pack(_BODY, 0, 0, now_ms, now_ms, -1, -1, -1, 1) + _varint(len(record)) + record
    length = struct.calcsize(_HEAD) - _LENGTH_FROM + len(body)
    return struct.pack(_HEAD, 0, length, -1, 2, _crc32c(body)) + body
